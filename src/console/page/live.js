// @ts-check
// The connection over which the mirror tells what changes, and sends its picture.

import { ask, logIn, settle } from './commands.js';
import { read, update } from './store.js';

/** Between two attempts to connect, ms: the first and the longest. */
const RETRY = [500, 5000];
/** Lines of the log that are kept. */
const LINES = 200;
/** The connection was closed because whoever is here has to log in again. */
const LOG_IN_AGAIN = 4401;

/** @type {WebSocket | null} */
let socket = null;
let wait = RETRY[0];
/** @type {'small' | 'large' | null} */
let width = null;
let follows = false;

/** @param {object} message */
function say(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

export function connect() {
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  socket = new WebSocket(`${scheme}//${location.host}/api/live`);
  socket.binaryType = 'blob';
  socket.onopen = async () => {
    wait = RETRY[0];
    // What changed meanwhile is asked for, and who this is.
    await learn().catch(() => {});
    update({ connected: true });
    if (width) say({ preview: width });
    if (follows) say({ log: true });
  };
  socket.onmessage = ({ data }) => (data instanceof Blob ? show(data) : hear(JSON.parse(data)));
  socket.onclose = ({ code }) => {
    if (code === LOG_IN_AGAIN) return void logIn();
    update({ connected: false });
    setTimeout(connect, wait);
    wait = Math.min(2 * wait, RETRY[1]);
  };
}

/** Asks for what does not come by itself. */
export async function learn() {
  const [session, about, state] = await Promise.all([ask('/api/session'), ask('/api/about'), ask('/api/state')]);
  if (session) update({ session, about, state });
}

/** @param {any} message */
async function hear(message) {
  if (message.state) settle(message.state);
  else if (message.telemetry) update({ telemetry: message.telemetry, health: message.health });
  else if (message.log) update({ log: [...read().log, message.log].slice(-LINES) });
  else if ('edition' in message) update({ about: await ask('/api/about') });
}

/** @param {Blob} jpeg */
async function show(jpeg) {
  try {
    const picture = await createImageBitmap(jpeg);
    read().picture?.close();
    update({ picture });
  } catch {
    // The next one will do.
  }
  say({ shown: true });
}

/**
 * Asks for pictures of this width, or for none.
 *
 * @param {'small' | 'large' | null} wanted
 */
export function watch(wanted) {
  if (wanted === width) return;
  width = wanted;
  say({ preview: wanted });
}

/** @param {boolean} wanted */
export async function followLog(wanted) {
  if (wanted) update({ log: await ask('/api/log').catch(() => []) });
  follows = wanted;
  say({ log: wanted });
}
