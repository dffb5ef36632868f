// @ts-check
// Keeping what is seen: one tap, under a name that may be changed afterwards.

import { act, ask, tell } from '../commands.js';
import { t } from '../i18n.js';
import { read, update } from '../store.js';

export async function keep() {
  const { about, state, language } = read();
  if (!about || !state) return;
  const name = freeName(about.scenes.map(scene => scene.name), String(state.scene ?? state.layer), language);
  if (await act('save-scene', { name })) {
    update({ about: await ask('/api/about') });
    tell(t('Kept as “{name}”. Rename it under Scenes.', { name }));
  }
}

/**
 * A name that no scene has: what it was made of, and when.
 *
 * @param {string[]} taken
 * @param {string} from
 * @param {string} language
 */
export function freeName(taken, from, language) {
  const base = from.split('/').pop()?.replace(/ \d\d[:.]\d\d( \d+)?$/, '').slice(0, 40) ?? '';
  const time = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', hour12: false }).format(new Date());
  const name = `${base} ${time}`;
  let free = name;
  for (let number = 2; taken.includes(free); number += 1) free = `${name} ${number}`;
  return free;
}
