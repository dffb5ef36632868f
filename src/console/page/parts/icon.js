// @ts-check
// Line drawings of 24 by 24; they say nothing that the text beside them does not.

import { html } from '../ui.js';

/** @type {Record<string, string>} */
const PATHS = {
  scenes: 'M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z',
  eye: 'M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z',
  sliders: 'M5 4v10M5 18v2M12 4v2M12 10v10M19 4v8M19 16v4M3 16h4M10 8h4M17 14h4',
  clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3 3',
  mirror: 'M7 3h10v14H7zM12 17v4M8 21h8M10 7l4 4',
  wall: 'M3 4h8v5H3zM13 4h8v5h-8zM3 11h8v5H3zM13 11h8v5h-8zM3 20h18',
  undo: 'M8 5 4 9l4 4M4 9h10a5 5 0 0 1 0 10H9',
  heart: 'M12 20S4 15 4 9a4 4 0 0 1 8-1 4 4 0 0 1 8 1c0 6-8 11-8 11z',
  previous: 'M18 6 9 12l9 6zM6 6v12',
  next: 'M6 6l9 6-9 6zM18 6v12',
  pause: 'M8 5v14M16 5v14',
  moon: 'M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z',
  pencil: 'M4 20l1-4L16 5l3 3L8 19zM14 7l3 3',
  trash: 'M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13M10 11v5M14 11v5',
  plus: 'M12 5v14M5 12h14',
  up: 'M6 14l6-6 6 6',
  down: 'M6 10l6 6 6-6',
  close: 'M6 6l12 12M18 6L6 18',
};

/** @param {{name: string}} properties */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}
