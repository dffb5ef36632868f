// A mirror, its broker, and a browser, each of them real, for one test file.

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
/** What `cargo test` has built. */
const PROGRAM = process.env.REVERIE ?? join(ROOT, 'target/debug/reverie');
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** Nothing here takes as long, ms. */
export const LONG = 60_000;

export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1280, height: 800 };

async function freePort() {
  const server = createServer();
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise(done => server.close(done));
  return port;
}

/** Waits until `question` answers with something true, and returns it. */
export async function until(what, question, limit = LONG) {
  const end = Date.now() + limit;
  let last;
  while (Date.now() < end) {
    try {
      const answer = await question();
      if (answer) return answer;
    } catch (error) {
      last = error;
    }
    await new Promise(done => setTimeout(done, 100));
  }
  throw new Error(`not within ${limit / 1000} s: ${what}${last ? ` (${last})` : ''}`);
}

export class Device {
  /** @param {{console?: string, source?: string, broker?: boolean, top?: string}} settings parts of the configuration, TOML */
  static async start(settings = {}) {
    const device = new Device();
    device.folder = await mkdtemp(join(tmpdir(), 'reverie-page-'));
    device.port = await freePort();
    device.brokerPort = await freePort();
    device.name = 'page-test';
    const { console: page = '', source = 'kind = "pattern"', top = '' } = settings;
    await writeFile(
      join(device.folder, 'reverie.toml'),
      `${top}
[source]
${source}
[screen]
kind = "headless"
[dream]
size = "96x64"
canvas = "320x180"
[recognition]
on = false
[mqtt]
host = "${settings.broker === false ? 'off' : '127.0.0.1'}"
port = ${device.brokerPort}
device = "${device.name}"
[console]
listen = "127.0.0.1:${device.port}"
${page}
[memory]
file = "${device.folder}/state.json"
`,
    );
    if (settings.broker !== false) await device.startBroker();
    await device.startMirror();
    return device;
  }

  get address() {
    return `http://127.0.0.1:${this.port}`;
  }

  async startBroker() {
    const file = join(this.folder, 'mosquitto.conf');
    await writeFile(file, `listener ${this.brokerPort} 127.0.0.1\nallow_anonymous true\n`);
    this.broker = spawn('mosquitto', ['-c', file], { stdio: 'ignore', env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
    await until('the broker answers', () => this.publish('hello', 'x'));
  }

  async startMirror() {
    const log = [];
    this.log = log;
    this.mirror = spawn(PROGRAM, ['run', '--config', join(this.folder, 'reverie.toml')], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.mirror.stderr.on('data', text => log.push(String(text)));
    this.mirror.on('error', error => log.push(String(error)));
    const answers = async () => this.mirror.exitCode !== null || (await fetch(`${this.address}/login`)).ok;
    await until(`the mirror answers: ${PROGRAM}`, answers);
    if (this.mirror.exitCode !== null) throw new Error(`the mirror ended:\n${log.join('')}`);
  }

  /** As systemd or a power cut would end it. */
  async kill(process) {
    if (!process || process.exitCode !== null) return;
    const ended = new Promise(done => process.once('exit', done));
    process.kill('SIGKILL');
    await ended;
  }

  async stop() {
    await this.kill(this.mirror);
    await this.kill(this.broker);
    await rm(this.folder, { recursive: true, force: true });
  }

  async publish(topic, payload) {
    await run('mosquitto_pub', ['-V', '5', '-h', '127.0.0.1', '-p', String(this.brokerPort), '-t', topic, '-m', payload]);
    return true;
  }

  /** What is retained on a topic of this device. */
  async retained(topic) {
    const { stdout } = await run('mosquitto_sub', ['-V', '5', '-h', '127.0.0.1', '-p', String(this.brokerPort), '-C', '1', '-W', '5', '-t', `reverie/${this.name}/${topic}`], { maxBuffer: 1 << 24 });
    return JSON.parse(stdout);
  }

  /** The state over MQTT, once it is as wanted. */
  stateWhere(what, is) {
    return until(what, async () => {
      const state = await this.retained('state');
      return is(state) && state;
    });
  }

  async ask(path, options) {
    const response = await fetch(this.address + path, options);
    return response.json();
  }

  async saved() {
    return JSON.parse(await readFile(join(this.folder, 'state.json'), 'utf8'));
  }
}

export async function openBrowser() {
  const { existsSync } = await import('node:fs');
  const executablePath = process.env.CHROMIUM ?? BROWSERS.find(existsSync);
  if (!executablePath) throw new Error(`no browser: ${BROWSERS.join(', ')}; CHROMIUM names another`);
  // As root, and in a container, its own sandbox cannot be set up.
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}

/** Opens the page in a context of its own; what it complains of fails the test that asks for `complaints`. */
export async function openPage(browser, device, { viewport = PHONE, view = 'scenes', ...options } = {}) {
  const context = await browser.newContext({ viewport, locale: 'en', colorScheme: 'dark', reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.on('pageerror', error => page.complaints.push(error.message));
  page.on('console', message => message.type() === 'error' && page.complaints.push(message.text()));
  page.setDefaultTimeout(LONG);
  await page.goto(`${device.address}/#/${view}`);
  await page.waitForSelector('main');
  return page;
}

export async function go(page, view) {
  await page.click(`nav a[href="#/${view}"]`);
  await page.waitForSelector(`nav a[href="#/${view}"][aria-current=page]`);
}

/** A digest of the picture that the page shows; empty before there is one. */
export function picture(page) {
  return page.evaluate(() => {
    const canvas = document.querySelector('.preview canvas');
    if (!canvas || canvas.width < 32) return '';
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0;
    for (let place = 0; place < data.length; place += 4) sum = (sum * 31 + data[place] + 7 * data[place + 1]) >>> 0;
    return `${canvas.width}x${canvas.height} ${sum}`;
  });
}
