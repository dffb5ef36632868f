// @ts-check
// Every number and switch, in the order that a person would ask for them; what is rarely touched is folded away.

import { act } from '../commands.js';
import { marked, t } from '../i18n.js';
import { html } from '../ui.js';
import { useStore } from '../store.js';
import { Control } from '../parts/control.js';
import { Over } from '../parts/over.js';

/** Sections of the table, and what a person would call them. What plays has a view of its own. */
const SECTIONS = { sees: marked('What it sees'), dreams: marked('How it dreams'), moves: marked('How it moves'), screen: marked('On the screen') };
/** Chosen by pictures, in the view Dream, and at hand in every view. */
const ELSEWHERE = ['layer', 'neurons', 'second_layer', 'second_neurons', 'guide', 'paused', 'blank'];

export function Adjust() {
  const properties = useStore(store => store.about?.schema.properties);
  if (!properties) return null;
  const all = Object.entries(properties).filter(([name]) => !ELSEWHERE.includes(name));
  const sectionOf = (/** @type {import('../types.d.ts').Schema} */ schema) => {
    const section = schema['x-section'] ?? 'dreams';
    return section in SECTIONS || section === 'plays' ? section : 'dreams';
  };
  return html`
    <div class="tools">
      <${Over} />
      <button type="button" title=${t('Forget the dream and begin again from the camera picture')} onClick=${() => act('reset')}>${t('Start over')}</button>
    </div>
    ${Object.entries(SECTIONS).map(([name, heading]) => {
      const own = all.filter(([, schema]) => sectionOf(schema) === name);
      return own.length > 0 && html`<${Section} key=${name} heading=${t(heading)} controls=${own} />`;
    })}
  `;
}

/** @param {{heading: string, controls: [string, import('../types.d.ts').Schema][]}} properties */
export function Section({ heading, controls }) {
  const control = (/** @type {[string, import('../types.d.ts').Schema]} */ [name, schema]) => html`<${Control} key=${name} name=${name} schema=${schema} />`;
  const rare = controls.filter(([, schema]) => schema['x-rare']);
  return html`
    <section>
      <h3>${heading}</h3>
      ${controls.filter(([, schema]) => !schema['x-rare']).map(control)}
      ${rare.length > 0 && html`<details><summary>${t('More: {heading}', { heading })}</summary>${rare.map(control)}</details>`}
    </section>
  `;
}
