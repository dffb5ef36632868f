// @ts-check
// Scenes as tiles: chosen with one tap; one's own renamed and deleted.

import { act, ask, set, tell } from '../commands.js';
import { t } from '../i18n.js';
import { html, useState } from '../ui.js';
import { update, useStore } from '../store.js';
import { Icon } from '../parts/icon.js';
import { Over } from '../parts/over.js';
import { Dialog } from '../parts/dialog.js';
import { Atlas, Tile, placeOf } from '../parts/tile.js';
import { keep } from './keep.js';

/** @typedef {import('../types.d.ts').Scene} Scene */
/** @typedef {import('../types.d.ts').Layer} Layer */

export function Scenes() {
  const about = useStore(store => store.about);
  const shown = useStore(store => store.state?.scene);
  const [search, setSearch] = useState('');
  const [edits, setEdits] = useState(false);
  const [renamed, setRenamed] = useState(/** @type {string | null} */ (null));
  if (!about) return null;
  const wanted = search.trim().toLocaleLowerCase();
  const fits = (/** @type {Scene} */ scene) =>
    !wanted || [scene.name, scene.about ?? '', t(scene.about), String(scene.params.neurons ?? '')].some(text => text.toLocaleLowerCase().includes(wanted));
  const found = about.scenes.filter(fits);
  const own = found.filter(scene => scene.saved);
  const configured = found.filter(scene => !scene.saved && !scene.thumbnail);
  const shipped = found.filter(scene => scene.thumbnail);
  /** @param {Scene} scene */
  const tile = scene => html`
    <div class="cell" key=${scene.name}>
      <${Tile} label=${`${scene.emoji ?? ''} ${scene.name}`.trim()} title=${t(scene.about)} pressed=${scene.name === shown} onclick=${() => set({ scene: scene.name })}>
        <${Picture} scene=${scene} layers=${about.layers} />
      <//>
      ${edits &&
      scene.saved &&
      html`
        <div class="edits">
          <button type="button" aria-label=${t('Rename {name}', { name: scene.name })} onClick=${() => setRenamed(scene.name)}><${Icon} name="pencil" /></button>
          <button type="button" aria-label=${t('Delete {name}', { name: scene.name })} onClick=${() => remove(scene.name)}><${Icon} name="trash" /></button>
        </div>
      `}
    </div>
  `;
  return html`
    <div class="tools">
      <input type="search" placeholder=${t('Search')} aria-label=${t('Search scenes')} value=${search} onInput=${(/** @type {any} */ e) => setSearch(e.target.value)} />
      <${Over} />
    </div>
    <section aria-labelledby="own">
      <div class="heading">
        <h3 id="own">${t('Mine')}</h3>
        ${own.length > 0 && html`<button type="button" class="small" aria-pressed=${String(edits)} onClick=${() => setEdits(!edits)}>${edits ? t('Done') : t('Edit')}</button>`}
      </div>
      <div class="tiles large">
        ${own.map(tile)}
        <button type="button" class="tile add" onClick=${keep}><${Icon} name="heart" /><span class="label">${t('Keep what is seen')}</span></button>
      </div>
    </section>
    ${configured.length > 0 && html`<section aria-labelledby="configured"><h3 id="configured">${t('From the configuration')}</h3><div class="tiles large">${configured.map(tile)}</div></section>`}
    ${shipped.length > 0 && html`<section aria-labelledby="shipped"><h3 id="shipped">${t('Shipped')}</h3><div class="tiles large">${shipped.map(tile)}</div></section>`}
    ${!found.length && html`<p class="empty">${t('No scene is called so.')}</p>`}
    ${renamed !== null && html`<${Rename} name=${renamed} onclose=${() => setRenamed(null)} />`}
  `;
}

/**
 * Of a scene that ships its own picture; of others what their neurons dream of.
 *
 * @param {{scene: Scene, layers: Layer[]}} properties
 */
export function Picture({ scene, layers }) {
  if (scene.thumbnail) return html`<img src=${scene.thumbnail} alt="" loading="lazy" decoding="async" width="240" height="160" />`;
  const layer = findLayer(layers, String(scene.params.layer ?? ''));
  const drawn = layer?.thumbnails ?? null;
  const place = placeOf(drawn, String(scene.params.neurons ?? 'all'));
  return html`<${Atlas} drawn=${drawn} place=${place < 0 ? placeOf(drawn, 'all') : place} />`;
}

/**
 * @param {Layer[]} layers
 * @param {string} name with or without its pack
 */
export function findLayer(layers, name) {
  return layers.find(layer => layer.name === name || `${layer.pack}/${layer.name}` === name);
}

/** @param {string} name */
async function remove(name) {
  if (!(await act('delete-scene', { name }))) return;
  update({ about: await ask('/api/about') });
  tell(t('“{name}” is deleted. Undo brings it back.', { name }));
}

/** @param {{name: string, onclose: () => void}} properties */
function Rename({ name, onclose }) {
  const [text, setText] = useState(name);
  const rename = async () => {
    if (text.trim() === name || (await act('rename-scene', { name, to: text.trim() }))) {
      update({ about: await ask('/api/about') });
      onclose();
    }
  };
  return html`
    <${Dialog} title=${t('Rename {name}', { name })} confirm=${t('Rename')} onconfirm=${rename} onclose=${onclose}>
      <label><span>${t('Name')}</span><input type="text" required maxlength="64" value=${text} onInput=${(/** @type {any} */ e) => setText(e.target.value)} /></label>
      <div class="emoji" role="group" aria-label=${t('Put a sign in front')}>
        ${EMOJI.map(sign => html`<button key=${sign} type="button" onClick=${() => setText(`${sign} ${text.replace(/^\p{Extended_Pictographic}\uFE0F?\s*/u, '')}`)}>${sign}</button>`)}
      </div>
    <//>
  `;
}

const EMOJI = ['🌊', '🌿', '🐚', '🐾', '👁️', '🏰', '🔥', '🌙', '☀️', '🦋', '🐟', '🪶', '🍓', '🕰️', '🌀', '✨'];
