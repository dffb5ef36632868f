// @ts-check
// What the mirror sees in things: layers, groups, neurons and words, by pictures of what they dream of.

import { command, set, tell } from '../commands.js';
import { t, title } from '../i18n.js';
import { html, useMemo, useState } from '../ui.js';
import { useStore } from '../store.js';
import { Control } from '../parts/control.js';
import { Over } from '../parts/over.js';
import { Slider } from '../parts/slider.js';
import { Atlas, Tile, placeOf } from '../parts/tile.js';
import { findLayer } from './scenes.js';

/** @typedef {import('../types.d.ts').Layer} Layer */

/** Results of a search that are shown. */
const MOST = 60;
/** A picture that is sent is made this small, pixels: nothing larger is looked at. */
const GUIDE_SIDE = 640;

export function Dream() {
  const about = useStore(store => store.about);
  const [search, setSearch] = useState('');
  if (!about) return null;
  const { properties } = about.schema;
  return html`
    <div class="tools">
      <input type="search" placeholder=${t('Search: eyes, castle, fur …')} aria-label=${t('Search what can be dreamed')} value=${search} onInput=${(/** @type {any} */ e) => setSearch(e.target.value)} />
      <${Over} />
    </div>
    ${search.trim()
      ? html`<${Found} layers=${about.layers} search=${search} />`
      : html`
          <${Neurons} layer="layer" neurons="neurons" live=${about.live_neurons} layers=${about.layers} />
          <section>
            <h3>${t('Layers')}</h3>
            <${Layers} layers=${about.layers} name="layer" />
          </section>
          <${Guide} />
          <details>
            <summary>${t('A second layer beside it')}</summary>
            <${Control} name="second_layer" schema=${properties.second_layer} />
            <${Slider} name="second_share" schema=${properties.second_share} />
            <${Second} layers=${about.layers} />
          </details>
        `}
  `;
}

/** @param {{layers: Layer[]}} properties */
function Second({ layers }) {
  const isOn = useStore(store => (store.state?.second_layer ?? 'none') !== 'none');
  return isOn && html`<${Neurons} layer="second_layer" neurons="second_neurons" live=${[]} layers=${layers} />`;
}

/** Everything that has a name, of all layers. @param {{layers: Layer[], search: string}} properties */
function Found({ layers, search }) {
  const known = useMemo(() => names(layers), [layers]);
  const wanted = search.trim().toLocaleLowerCase();
  const begins = (/** @type {{name: string}} */ { name }) => name.toLocaleLowerCase().startsWith(wanted);
  const found = known.filter(({ text }) => text.includes(wanted)).sort((a, b) => Number(begins(b)) - Number(begins(a)));
  if (!found.length) return html`<p class="empty" role="status">${t('Nothing is called so. Try another word.')}</p>`;
  return html`
    <p class="visually-hidden" role="status">${t('{count} found', { count: found.length })}</p>
    <div class="tiles">
      ${found.slice(0, MOST).map(
        ({ layer, name, place }) => html`
          <${Tile} key=${`${layer.name} ${name}`} label=${name} note=${layer.name} onclick=${() => set({ layer: layer.name, neurons: name })}>
            <${Atlas} drawn=${layer.thumbnails} place=${place} />
          <//>
        `,
      )}
    </div>
  `;
}

/** @param {Layer[]} layers */
function names(layers) {
  return layers.flatMap(layer => {
    const drawn = layer.thumbnails;
    const all = [...Object.keys(layer.groups), ...layer.words, ...(drawn?.names ?? [])];
    return [...new Set(all)].filter(name => name !== 'all').map(name => ({ layer, name, place: placeOf(drawn, name), text: `${name} ${layer.look ?? ''}`.toLocaleLowerCase() }));
  });
}

/** @param {{layers: Layer[], name: string}} properties */
function Layers({ layers, name }) {
  const chosen = useStore(store => String(store.state?.[name] ?? ''));
  const packs = [...new Set(layers.map(layer => layer.pack))];
  return packs.map(
    pack => html`
      <h4 key=${pack}>${pack}</h4>
      <div class="tiles">
        ${layers
          .filter(layer => layer.pack === pack)
          .map(
            layer => html`
              <${Tile} key=${layer.name} label=${layer.name.split('/').pop() ?? ''} title=${layer.look ?? ''} pressed=${layer === findLayer(layers, chosen)} onclick=${() => set({ [name]: layer.name })}>
                <${Atlas} drawn=${layer.thumbnails} place=${Math.max(0, placeOf(layer.thumbnails, 'all'))} />
              <//>
            `,
          )}
      </div>
    `,
  );
}

/**
 * The neurons of the layer that dreams: by picture, or written.
 *
 * @param {{layer: string, neurons: string, live: string[], layers: Layer[]}} properties
 */
function Neurons({ layer: layerName, neurons: name, live, layers }) {
  const layer = useStore(store => findLayer(layers, String(store.state?.[layerName] ?? '')));
  const chosen = useStore(store => String(store.state?.[name] ?? 'all'));
  const [single, setSingle] = useState(false);
  if (!layer) return null;
  const drawn = layer.thumbnails;
  const groups = ['all', ...Object.keys(layer.groups)];
  const words = layer.words.filter(word => !groups.includes(word));
  const tile = (/** @type {string} */ neurons, /** @type {string} */ label, /** @type {string} */ hint) => html`
    <${Tile} key=${neurons} label=${label} title=${hint} pressed=${chosen === neurons} onclick=${() => set({ [name]: neurons })}>
      <${Atlas} drawn=${drawn} place=${placeOf(drawn, neurons)} />
    <//>
  `;
  return html`
    <section>
      <h3>${t('Of layer {layer}', { layer: layer.name })}</h3>
      ${layer.look && html`<p class="look">${layer.look}</p>`}
      <${Written} name=${name} chosen=${chosen} known=${[...groups, ...words, ...live]} />
      <div class="tiles">
        ${groups.map(group => tile(group, group === 'all' ? t('everything') : group, layer.groups[group] ?? ''))}
        ${words.map(word => tile(word, word, word))}
      </div>
      ${live.length > 0 &&
      html`<div class="chips" role="group" aria-label=${t('By how active they are on what is seen')}>
        ${live.map(word => html`<button key=${word} type="button" aria-pressed=${String(chosen === word)} onClick=${() => set({ [name]: word })}>${t(word)}</button>`)}
      </div>`}
      <details onToggle=${(/** @type {any} */ e) => setSingle(e.target.open)}>
        <summary>${t('Each of the {count} neurons', { count: layer.channels })}</summary>
        <div class="tiles">${single && Array.from({ length: layer.channels }, (_, channel) => tile(String(channel), String(channel), ''))}</div>
      </details>
    </section>
  `;
}

/** Several at once, weighted, or turned round. @param {{name: string, chosen: string, known: string[]}} properties */
function Written({ name, chosen, known }) {
  const [text, setText] = useState('');
  // What may stand behind the last comma.
  const before = text.replace(/[^,]*$/, '');
  return html`
    <label class="written">
      <span>${title(name)}</span>
      <input
        type="text" list=${`known-${name}`} spellcheck="false" autocapitalize="off" autocomplete="off" value=${chosen}
        placeholder=${t('eyes, 15:0.5, -36, a castle')} onInput=${(/** @type {any} */ e) => setText(e.target.value)}
        onChange=${(/** @type {any} */ e) => set({ [name]: e.target.value.trim() || 'all' })}
      />
      <datalist id=${`known-${name}`}>${known.map(word => html`<option key=${word} value=${`${before}${before ? ' ' : ''}${word}`} />`)}</datalist>
    </label>
  `;
}

/** A picture that leads: one of the mirror's, or, where its owner allows it, one from here. */
function Guide() {
  const properties = useStore(store => store.about?.schema.properties);
  const accepts = useStore(store => store.about?.accepts_guides ?? false);
  if (!properties?.guide) return null;
  return html`
    <section>
      <h3>${t('Led by a picture')}</h3>
      <${Control} name="guide" schema=${properties.guide} />
      ${accepts &&
      html`<label class="file">
        <span>${t('Take or choose a picture')}</span>
        <input type="file" accept="image/*" onChange=${(/** @type {any} */ e) => send(e.target)} />
      </label>`}
    </section>
  `;
}

/** @param {HTMLInputElement} input */
async function send(input) {
  const file = input.files?.[0];
  if (!file) return;
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, GUIDE_SIDE / Math.max(picture.width, picture.height));
    const canvas = Object.assign(document.createElement('canvas'), {
      width: Math.max(1, Math.round(picture.width * scale)),
      height: Math.max(1, Math.round(picture.height * scale)),
    });
    canvas.getContext('2d')?.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const jpeg = await new Promise(done => canvas.toBlob(done, 'image/jpeg', 0.9));
    if (jpeg && (await command('/api/set/guide', jpeg))) tell(t('It leads from now on.'));
  } catch {
    tell(t('That picture could not be sent.'), 'error');
  }
  input.value = '';
}
