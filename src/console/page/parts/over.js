// @ts-check
// How slowly changes show.

import { marked, t } from '../i18n.js';
import { html } from '../ui.js';
import { read, update, useStore } from '../store.js';

const CHOICES = { '': marked('as usual'), '0s': marked('at once'), '5s': marked('5 seconds'), '20s': marked('20 seconds'), '1m': marked('1 minute'), '5m': marked('5 minutes'), '30m': marked('30 minutes') };

export function Over() {
  const over = useStore(store => store.over);
  return html`
    <label class="over" title=${t('How slowly changes show')}>
      <span>${t('Over')}</span>
      <select value=${over} onChange=${(/** @type {any} */ e) => update({ ...read(), over: e.target.value })}>
        ${Object.entries(CHOICES).map(([value, text]) => html`<option key=${value} value=${value}>${t(text)}</option>`)}
      </select>
    </label>
  `;
}
