// @ts-check
// A number: dragged, or typed. One on its way shows where to.

import { set } from '../commands.js';
import { number, t, title } from '../i18n.js';
import { html, useState } from '../ui.js';
import { useStore } from '../store.js';

/** @typedef {import('../types.d.ts').Schema} Schema */

/** @param {{name: string, schema: Schema}} properties */
export function Slider({ name, schema }) {
  const value = useStore(store => Number(store.state?.[name] ?? schema.default ?? 0));
  const ramp = useStore(store => store.state?.ramps?.[name]);
  const { minimum = 0, maximum = 1 } = schema;
  const step = schema.type === 'integer' ? 1 : (schema['x-step'] ?? 0.01);
  const share = (/** @type {number} */ at) => `${(100 * (at - minimum)) / (maximum - minimum)}%`;
  const unit = schema['x-unit'] ?? '';
  const change = (/** @type {any} */ e) => e.target.value !== '' && set({ [name]: Number(e.target.value) });
  const usual = Number(schema.default);
  return html`
    <div class="control slider">
      <${Label} name=${name} schema=${schema}>
        <input type="number" min=${minimum} max=${maximum} step="any" value=${Math.round(value * 1e4) / 1e4} aria-label=${`${title(name)} ${unit}`} onChange=${change} />
        <span class="unit" aria-hidden="true">${unit}</span>
      <//>
      <input
        type="range" min=${minimum} max=${maximum} step=${step} value=${value}
        style=${{ '--part': share(value), '--to': ramp ? share(ramp.to) : share(value) }}
        aria-label=${title(name)} aria-valuetext=${`${number(value)} ${unit}`} onInput=${change} onDblClick=${() => set({ [name]: usual })}
      />
      ${ramp && html`<small class="ramp">${t('on its way to {to}: {left} s left', { to: number(ramp.to), left: number(ramp.left, 0) })}</small>`}
    </div>
  `;
}

/**
 * A parameter's name, which unfolds to what it does, and a place beside it.
 *
 * @param {{name: string, schema: Schema, children?: any}} properties
 */
export function Label({ name, schema, children }) {
  const [open, setOpen] = useState(false);
  const usual = schema.default;
  return html`
    <div class="label-row">
      <button type="button" class="name" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>${title(name)}</button>
      <span class="beside">${children}</span>
    </div>
    ${open &&
    html`<p class="help">
      ${t(schema.description)}
      ${usual !== undefined && typeof usual === 'number' && html` <button type="button" class="small" onClick=${() => set({ [name]: usual })}>${t('Back to {value}', { value: number(usual) })}</button>`}
    </p>`}
  `;
}
