// @ts-check
// The last thing that was told, for some seconds.

import { html } from '../ui.js';
import { useStore } from '../store.js';

export function Toast() {
  const message = useStore(store => store.message);
  // Both are always there: what appears in them is read aloud, an error at once.
  return html`
    <div class="toasts">
      <p role="alert" class=${message?.kind === 'error' ? 'toast error on' : 'toast'}>${message?.kind === 'error' ? message.text : ''}</p>
      <p role="status" class=${message?.kind === 'done' ? 'toast done on' : 'toast'}>${message?.kind === 'done' ? message.text : ''}</p>
    </div>
  `;
}
