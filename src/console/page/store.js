// @ts-check
// What the page knows of the mirror, in one place; views show parts of it and are drawn again when these change.

import { useEffect, useState } from './ui.js';

/** @typedef {import('./types.d.ts').Store} Store */

/** @type {Store} */
let known = {
  session: null,
  about: null,
  state: null,
  telemetry: null,
  health: [],
  log: [],
  connected: false,
  picture: null,
  message: null,
  over: '',
  language: 'en',
};

/** @type {Set<() => void>} */
const watchers = new Set();

/** @returns {Readonly<Store>} */
export function read() {
  return known;
}

/** @param {Partial<Store>} news */
export function update(news) {
  known = { ...known, ...news };
  for (const watcher of watchers) watcher();
}

/**
 * A part of what is known; the view is drawn again when it is another one.
 *
 * @template T
 * @param {(store: Readonly<Store>) => T} part
 * @returns {T}
 */
export function useStore(part) {
  const [value, setValue] = useState(() => part(known));
  useEffect(() => {
    const look = () => setValue(() => part(known));
    watchers.add(look);
    look();
    return () => void watchers.delete(look);
  }, []);
  return value;
}
