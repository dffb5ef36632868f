// @ts-check
// A figure over the last hour.

import { number, t } from '../i18n.js';
import { html } from '../ui.js';

const [WIDTH, HEIGHT] = [300, 60];

/** @param {{heading: string, unit: string, values: (number | null)[], digits?: number}} properties */
export function Plot({ heading, unit, values, digits = 1 }) {
  const known = values.filter(value => value !== null);
  if (known.length < 2) return null;
  const most = Math.max(...known);
  const least = Math.min(...known, most > 0 ? most / 2 : 0);
  const x = (/** @type {number} */ place) => (WIDTH * place) / (values.length - 1);
  const y = (/** @type {number} */ value) => HEIGHT - 4 - ((HEIGHT - 8) * (value - least)) / Math.max(most - least, 1e-9);
  let isDown = false;
  const path = values
    .map((value, place) => {
      if (value === null) return (isDown = false), '';
      const move = `${isDown ? 'L' : 'M'}${x(place).toFixed(1)} ${y(value).toFixed(1)}`;
      isDown = true;
      return move;
    })
    .join('');
  const last = known[known.length - 1];
  const figure = (/** @type {number} */ value) => number(value, digits);
  const text = t('{heading}: {last} {unit} now, {least} to {most}', { heading, unit, last: figure(last), least: figure(Math.min(...known)), most: figure(most) });
  return html`
    <figure class="plot">
      <figcaption><span>${heading}</span> <b>${figure(last)} ${unit}</b></figcaption>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${text}><path d=${path} vector-effect="non-scaling-stroke" /></svg>
      <small>${figure(Math.min(...known))} – ${figure(most)}</small>
    </figure>
  `;
}
