// @ts-check
// A question over the page.

import { t } from '../i18n.js';
import { html, useEffect, useRef } from '../ui.js';

/**
 * @param {{title: string, confirm: string, onconfirm: () => unknown, onclose: () => void, children?: any}} properties
 */
export function Dialog({ title, confirm, onconfirm, onclose, children }) {
  /** @type {{current: HTMLDialogElement | null}} */
  const dialog = useRef(null);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    onconfirm();
  };
  return html`
    <dialog ref=${dialog} aria-labelledby="question" onClose=${onclose}>
      <form onSubmit=${submit}>
        <h3 id="question">${title}</h3>
        ${children}
        <div class="buttons">
          <button type="button" onClick=${() => dialog.current?.close()}>${t('Cancel')}</button>
          <button type="submit" class="main">${confirm}</button>
        </div>
      </form>
    </dialog>
  `;
}
