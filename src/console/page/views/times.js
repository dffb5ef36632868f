// @ts-check
// What runs by itself: the playlist, and the opening hours.

import { act, ask, set } from '../commands.js';
import { t } from '../i18n.js';
import { html, useState } from '../ui.js';
import { update, useStore } from '../store.js';
import { Control } from '../parts/control.js';
import { Icon } from '../parts/icon.js';
import { Hours } from './hours.js';

export function Times() {
  const properties = useStore(store => store.about?.schema.properties);
  if (!properties) return null;
  const plays = Object.entries(properties).filter(([, schema]) => schema['x-section'] === 'plays');
  return html`
    <section aria-labelledby="plays">
      <h3 id="plays">${t('Plays by itself')}</h3>
      ${plays.map(([name, schema]) => html`<${Control} key=${name} name=${name} schema=${schema} />`)}
    </section>
    <${Playlist} />
    <${Hours} />
  `;
}

function Playlist() {
  const about = useStore(store => store.about);
  const shown = useStore(store => store.state?.scene);
  const [added, setAdded] = useState('');
  if (!about) return null;
  const list = about.playlist;
  const change = async (/** @type {string[]} */ scenes) => {
    if (await act('playlist', { scenes })) update({ about: await ask('/api/about') });
  };
  const move = (/** @type {number} */ place, /** @type {number} */ by) => {
    const moved = [...list];
    moved.splice(place + by, 0, ...moved.splice(place, 1));
    change(moved);
  };
  const rest = about.scenes.map(scene => scene.name).filter(name => !list.includes(name));
  const add = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (added) change([...list, added]);
    setAdded('');
  };
  return html`
    <section aria-labelledby="playlist">
      <div class="heading"><h3 id="playlist">${t('Playlist')}</h3><button type="button" class="small" onClick=${() => change([])}>${t('As at first')}</button></div>
      <ol class="playlist">
        ${list.map(
          (name, place) => html`
            <li key=${name} aria-current=${name === shown ? 'true' : null}>
              <button type="button" class="name" onClick=${() => set({ scene: name })}>${name}</button>
              <button type="button" aria-label=${t('Move {name} up', { name })} disabled=${place === 0} onClick=${() => move(place, -1)}><${Icon} name="up" /></button>
              <button type="button" aria-label=${t('Move {name} down', { name })} disabled=${place === list.length - 1} onClick=${() => move(place, 1)}><${Icon} name="down" /></button>
              <button type="button" aria-label=${t('Take {name} off the list', { name })} disabled=${list.length === 1} onClick=${() => change(list.filter(other => other !== name))}><${Icon} name="close" /></button>
            </li>
          `,
        )}
      </ol>
      ${rest.length > 0 &&
      html`<form class="add" onSubmit=${add}>
        <select aria-label=${t('Scene to add')} value=${added} onChange=${(/** @type {any} */ e) => setAdded(e.target.value)}>
          <option value="">${t('Add a scene …')}</option>
          ${rest.map(name => html`<option key=${name} value=${name}>${name}</option>`)}
        </select>
        <button type="submit" disabled=${!added}>${t('Add')}</button>
      </form>`}
    </section>
  `;
}
