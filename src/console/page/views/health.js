// @ts-check
// How the mirror is: one line, which leads to all of it.

import { marked, number, t } from '../i18n.js';
import { html } from '../ui.js';
import { useStore } from '../store.js';

/** The worst comes first. */
const ORDER = { failure: 0, warning: 1, ok: 2 };

export function HealthLine() {
  const health = useStore(store => store.health);
  const telemetry = useStore(store => store.telemetry);
  const connected = useStore(store => store.connected);
  const wrong = health.filter(finding => finding.verdict !== 'ok').sort((a, b) => ORDER[a.verdict] - ORDER[b.verdict]);
  const verdict = !connected ? 'failure' : (wrong[0]?.verdict ?? 'ok');
  const rate = telemetry ? t('{fps} dreams/s', { fps: number(telemetry.fps, 1) }) : '…';
  const text = connected ? [rate, ...wrong.map(({ about }) => t(about))].join(' · ') : t('no answer');
  return html`<a class=${`health ${verdict}`} href="#/mirror"><span class="dot" aria-hidden="true"></span><span>${text}</span></a>`;
}

/** Each part, and what to do. */
export function Health() {
  const health = useStore(store => store.health);
  const words = { ok: marked('all is well'), warning: marked('warning'), failure: marked('failure') };
  return html`
    <ul class="findings">
      ${health.map(
        ({ about, verdict, seen, remedy }) => html`
          <li key=${about} class=${verdict}>
            <span class="dot" aria-hidden="true"></span>
            <div>
              <b>${t(about)}</b> <span class="visually-hidden">${t(words[verdict])}:</span> ${t(seen)}
              ${remedy && html`<p class="remedy">→ ${t(remedy)}</p>`}
            </div>
          </li>
        `,
      )}
    </ul>
  `;
}
