// Things that go: the mirror, its broker, its camera. The page says so, and goes on when they are back.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { Device, go, openBrowser, openPage, picture, until } from './device.mjs';

const CAMERA = `kind = "program"
command = ["ffmpeg", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=15", "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "-"]
size = "320x180"`;

let device, browser, page;
before(async () => {
  device = await Device.start({ source: CAMERA });
  browser = await openBrowser();
  page = await openPage(browser, device, { view: 'mirror' });
});
after(async () => {
  await browser?.close();
  await device?.stop();
});

const finding = about => page.locator('.findings li').filter({ has: page.locator(`b:text-is("${about}")`) });

test('a camera that goes is named, with what to do', async () => {
  await until('it streams', async () => (await finding('camera').getAttribute('class')) === 'ok');
  // The camera's program is a child of the mirror: its pictures end for good.
  await new Promise(done => execFile('pkill', ['-STOP', '-P', String(device.mirror.pid), 'ffmpeg'], done));
  await until('it is missed', async () => (await finding('camera').getAttribute('class')) === 'warning');
  assert.match(await finding('camera').locator('.remedy').innerText(), /→ .+/);
  await page.waitForSelector('.health.warning:has-text("camera")');
});

test('a broker that goes is named, and the page still directs', async () => {
  await device.kill(device.broker);
  await until('it is missed', async () => (await finding('broker').getAttribute('class')) === 'warning');
  assert.match(await finding('broker').locator('.remedy').innerText(), /mqtt\.host/);
  await go(page, 'scenes');
  await page.getByRole('button', { name: /Reef$/ }).click();
  await until('it is directed', async () => (await device.ask('/api/state')).scene === 'Reef');
  await device.startBroker();
  await go(page, 'mirror');
  await until('it is back', async () => (await finding('broker').getAttribute('class')) === 'ok');
});

test('a mirror that is killed is missed, and comes back as it was', async () => {
  await until('it is saved', async () => (await device.saved()).scene === 'Reef');
  await device.kill(device.mirror);
  await page.waitForSelector('.health.failure');
  await page.waitForSelector('.preview.lost');
  // The page's own files were kept: it opens without the mirror.
  await page.reload();
  await page.waitForSelector('text=does not answer');
  await device.startMirror();
  await page.waitForSelector('.preview:not(.lost)');
  await page.waitForSelector('.preview figcaption:has-text("Reef")');
  await until('a picture is shown', () => picture(page));
});
