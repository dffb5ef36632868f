// @ts-check
// A choice with a picture.

import { html } from '../ui.js';

/** @typedef {import('../types.d.ts').Thumbnails} Thumbnails */

/**
 * @param {{label: string, note?: string, title?: string, pressed?: boolean, onclick: () => unknown, children?: any}} properties
 */
export function Tile({ label, note, title, pressed, onclick, children }) {
  return html`
    <button type="button" class="tile" title=${title} aria-pressed=${pressed === undefined ? null : String(pressed)} onClick=${onclick}>
      ${children}<span class="label">${label}</span>${note && html`<span class="note">${note}</span>`}
    </button>
  `;
}

/**
 * What some neurons dream of, out of the picture that holds those of a whole layer.
 *
 * @param {{drawn: Thumbnails | null, place: number}} properties
 */
export function Atlas({ drawn, place }) {
  if (!drawn || place < 0) return html`<span class="atlas none" aria-hidden="true">?</span>`;
  const { address, across, names, channels } = drawn;
  const down = Math.ceil((names.length + channels) / across);
  const [column, row] = [place % across, Math.floor(place / across)];
  // In shares of the tile, which may be of any size.
  const style = {
    backgroundImage: `url("${address}")`,
    backgroundSize: `${across * 100}% ${down * 100}%`,
    backgroundPosition: `${across > 1 ? (100 * column) / (across - 1) : 0}% ${down > 1 ? (100 * row) / (down - 1) : 0}%`,
  };
  return html`<span class="atlas" style=${style} aria-hidden="true"></span>`;
}

/**
 * Where the picture of these neurons lies; -1: there is none.
 *
 * @param {Thumbnails | null | undefined} drawn
 * @param {string} neurons
 */
export function placeOf(drawn, neurons) {
  if (!drawn) return -1;
  const first = neurons.split(',')[0].replace(/:.*$/, '').trim();
  if (/^\d+$/.test(first)) return Number(first) < drawn.channels ? drawn.names.length + Number(first) : -1;
  return drawn.names.indexOf(first);
}
