// @ts-check
// What is done most, in reach from every view.

import { act, set } from '../commands.js';
import { t } from '../i18n.js';
import { html } from '../ui.js';
import { useStore } from '../store.js';
import { Icon } from '../parts/icon.js';
import { keep } from './keep.js';

export function Quick() {
  const state = useStore(store => store.state);
  if (!state) return null;
  const count = state.undo ?? 0;
  return html`
    <div class="quick" role="toolbar" aria-label=${t('At hand')}>
      <${Button} icon="undo" label=${t('Undo')} disabled=${!count} onclick=${() => act('undo')} />
      <${Button} icon="heart" label=${t('Keep')} title=${t('Keep what is seen as a scene')} onclick=${keep} />
      <${Button} icon="previous" label=${t('Back')} onclick=${() => act('previous-scene')} />
      <${Button} icon="next" label=${t('Next')} onclick=${() => act('next-scene')} />
      <${Switch} icon="pause" label=${t('Pause')} name="paused" on=${state.paused} />
      <${Switch} icon="moon" label=${t('Black')} name="blank" on=${state.blank} />
    </div>
  `;
}

/** @param {{icon: string, label: string, title?: string, disabled?: boolean, onclick: () => unknown}} properties */
function Button({ icon, label, title, disabled, onclick }) {
  return html`<button type="button" title=${title} disabled=${disabled} onClick=${onclick}><${Icon} name=${icon} /><span>${label}</span></button>`;
}

/** @param {{icon: string, label: string, name: string, on: unknown}} properties */
function Switch({ icon, label, name, on }) {
  return html`
    <button type="button" aria-pressed=${String(Boolean(on))} onClick=${() => set({ [name]: !on })}>
      <${Icon} name=${icon} /><span>${label}</span>
    </button>
  `;
}
