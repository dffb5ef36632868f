// @ts-check
// The control of one parameter, made from its schema: a new parameter appears by itself.

import { set } from '../commands.js';
import { t, title } from '../i18n.js';
import { html } from '../ui.js';
import { useStore } from '../store.js';
import { Label, Slider } from './slider.js';

/** @typedef {import('../types.d.ts').Schema} Schema */

/** @param {{name: string, schema: Schema}} properties */
export function Control({ name, schema }) {
  if (schema.type === 'boolean') return html`<${Switch} name=${name} schema=${schema} />`;
  if (schema.enum) return html`<${Choice} name=${name} schema=${schema} />`;
  if (schema.type === 'number' || schema.type === 'integer') return html`<${Slider} name=${name} schema=${schema} />`;
  return html`<${Text} name=${name} schema=${schema} />`;
}

/** @param {{name: string, schema: Schema}} properties */
function Switch({ name, schema }) {
  const on = useStore(store => Boolean(store.state?.[name]));
  return html`
    <div class="control">
      <${Label} name=${name} schema=${schema}>
        <button type="button" role="switch" class="switch" aria-checked=${String(on)} aria-label=${title(name)} onClick=${() => set({ [name]: !on })}></button>
      <//>
    </div>
  `;
}

/** @param {{name: string, schema: Schema}} properties */
function Choice({ name, schema }) {
  const value = useStore(store => String(store.state?.[name] ?? schema.default ?? ''));
  const names = schema.enum ?? [];
  const options = names.includes(value) ? names : [...names, value];
  return html`
    <div class="control">
      <${Label} name=${name} schema=${schema}>
        <select value=${value} aria-label=${title(name)} onChange=${(/** @type {any} */ e) => set({ [name]: e.target.value })}>
          ${options.map(option => html`<option key=${option} value=${option}>${t(option)}</option>`)}
        </select>
      <//>
    </div>
  `;
}

/** @param {{name: string, schema: Schema}} properties */
function Text({ name, schema }) {
  const value = useStore(store => String(store.state?.[name] ?? schema.default ?? ''));
  return html`
    <div class="control">
      <${Label} name=${name} schema=${schema}>
        <input type="text" spellcheck="false" autocapitalize="off" value=${value} aria-label=${title(name)} onChange=${(/** @type {any} */ e) => set({ [name]: e.target.value.trim() })} />
      <//>
    </div>
  `;
}
