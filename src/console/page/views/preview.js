// @ts-check
// What the screen shows, as it is shown.

import { t } from '../i18n.js';
import { watch } from '../live.js';
import { html, useEffect, useRef } from '../ui.js';
import { useStore } from '../store.js';

/** Wider pictures are asked for where the preview is wider than this, in pixels of the device. */
const SMALL = 800;

export function Preview() {
  const picture = useStore(store => store.picture);
  const connected = useStore(store => store.connected);
  const isOn = useStore(store => store.about?.preview ?? false);
  /** @type {{current: HTMLCanvasElement | null}} */
  const canvas = useRef(null);

  // Nobody looks at a page that is hidden.
  useEffect(() => {
    const choose = () => {
      const wide = (canvas.current?.clientWidth ?? 0) * devicePixelRatio > SMALL;
      watch(!isOn || document.hidden ? null : wide ? 'large' : 'small');
    };
    choose();
    document.addEventListener('visibilitychange', choose);
    addEventListener('resize', choose);
    return () => {
      document.removeEventListener('visibilitychange', choose);
      removeEventListener('resize', choose);
      watch(null);
    };
  }, [isOn]);

  useEffect(() => {
    if (!picture || !canvas.current) return;
    Object.assign(canvas.current, { width: picture.width, height: picture.height });
    canvas.current.getContext('2d')?.drawImage(picture, 0, 0);
  }, [picture]);

  const note = !connected
    ? t('The mirror does not answer. Trying again …')
    : !isOn
      ? t('The preview is switched off. Everything else works.')
      : !picture
        ? t('Waiting for the picture …')
        : '';
  return html`
    <figure class=${connected ? 'preview' : 'preview lost'}>
      ${isOn && html`<canvas ref=${canvas} width="16" height="9" role="img" aria-label=${t('What the screen shows')}></canvas>`}
      ${note && html`<p role="status">${note}</p>`}
      <${Caption} />
    </figure>
  `;
}

/** The scene that is shown, and when the mirror closes. */
function Caption() {
  const state = useStore(store => store.state);
  const scene = useStore(store => store.about?.scenes.find(({ name }) => name === store.state?.scene));
  const language = useStore(store => store.language);
  if (!state) return null;
  const next = state.next_hours;
  const at = next && new Intl.DateTimeFormat(language, { weekday: 'short', hour: '2-digit', minute: '2-digit' }).format(new Date(next.at));
  const hours = next ? t(next.open ? 'opens {at}' : 'closes {at}', { at: at ?? '' }) : '';
  const words = [
    state.paused && t('paused'),
    state.blank && t('black'),
    state.scene && `${scene?.emoji ?? ''} ${state.scene}`.trim(),
    hours,
  ].filter(Boolean);
  return words.length ? html`<figcaption>${words.join(' · ')}</figcaption>` : null;
}
