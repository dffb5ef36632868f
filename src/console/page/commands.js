// @ts-check
// What the page asks of the mirror: commands, each answered, and questions.

import { read, update } from './store.js';
import { t } from './i18n.js';

/** @typedef {import('./types.d.ts').Value} Value */
/** @typedef {import('./types.d.ts').Reply} Reply */

/** Changes made within this time are sent together, ms. */
const GATHER = 60;
/** A control that was moved is not set back by an older state for so long, ms. */
const TOUCHED = 1500;

/** @type {Record<string, unknown>} */
let pending = {};
/** @type {Map<string, number>} */
const touched = new Map();
let timer = 0;

/**
 * Sets parameters, as slowly as is chosen.
 *
 * @param {Record<string, Value>} changes
 */
export function set(changes) {
  Object.assign(pending, changes);
  for (const name of Object.keys(changes)) touched.set(name, Date.now());
  const { state } = read();
  // Seen at once, and put right by the answer.
  if (state) update({ state: { ...state, ...changes } });
  clearTimeout(timer);
  timer = window.setTimeout(send, GATHER);
}

async function send() {
  const changes = pending;
  pending = {};
  const { over } = read();
  await command('/api/set', over ? { ...changes, over } : changes);
}

/**
 * The state as the device told it, but for what was moved here a moment ago.
 *
 * @param {import('./types.d.ts').State} state
 */
export function settle(state) {
  const now = read().state;
  const settled = { ...state };
  for (const [name, when] of touched) {
    if (Date.now() - when > TOUCHED) touched.delete(name);
    else if (now && name in now) settled[name] = now[name];
  }
  update({ state: settled });
}

/**
 * Runs an action of the device.
 *
 * @param {string} name
 * @param {Record<string, unknown>} [entries]
 */
export function act(name, entries = {}) {
  return command(`/api/do/${name}`, entries);
}

/**
 * Sends a command; what is refused is told.
 *
 * @param {string} path
 * @param {unknown} body
 * @returns {Promise<boolean>} whether it was done
 */
export async function command(path, body) {
  try {
    const raw = body instanceof Blob;
    const response = await fetch(path, {
      method: 'POST',
      headers: raw ? {} : { 'Content-Type': 'application/json' },
      body: raw ? body : JSON.stringify(body),
    });
    if (response.status === 401) return logIn();
    /** @type {Reply} */
    const reply = await response.json();
    if (reply.ok) {
      if (reply.state) {
        touched.clear();
        settle(reply.state);
      }
      return true;
    }
    for (const { param } of reply.errors) if (param) touched.delete(param);
    tell(reply.errors.map(({ param, message }) => (param ? `${param}: ${message}` : message)).join('\n'), 'error');
    const { state } = await ask('/api/state').then(state => ({ state }));
    if (state) settle(state);
  } catch {
    tell(t('The mirror does not answer.'), 'error');
  }
  return false;
}

/**
 * Asks for something.
 *
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function ask(path) {
  const response = await fetch(path, { headers: { Accept: 'application/json' } });
  if (response.status === 401) return logIn();
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

/** @returns {false} */
export function logIn() {
  location.assign('/login');
  return false;
}

let telling = 0;

/**
 * Shows a line for some seconds.
 *
 * @param {string} text
 * @param {'error' | 'done'} kind
 */
export function tell(text, kind = 'done') {
  update({ message: { text, kind } });
  clearTimeout(telling);
  telling = window.setTimeout(() => update({ message: null }), kind === 'error' ? 8000 : 3000);
}
