// Who may see the page, and who may direct from it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { Device, go, openBrowser, until } from './device.mjs';

const [DIRECTOR, VIEWER] = ['correct horse battery', 'only looking today'];

let device, browser;
before(async () => {
  device = await Device.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await device?.stop();
});

async function logIn(password) {
  const context = await browser.newContext({ locale: 'en' });
  const page = await context.newPage();
  await page.goto(device.address);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  return page;
}

test('a password is set from the page, and then everybody is asked', async () => {
  const page = await (await browser.newContext({ locale: 'en' })).newPage();
  await page.goto(`${device.address}/#/mirror`);
  for (const [role, password] of [['director', DIRECTOR], ['viewer', VIEWER]]) {
    if (role === 'viewer') {
      // Whoever set the first one has to know it from here on.
      await page.waitForURL(/login/);
      await page.getByLabel('Password').fill(DIRECTOR);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.waitForSelector('main');
      await go(page, 'mirror');
    }
    await page.locator('summary').filter({ hasText: /assword/ }).click();
    await page.getByLabel('Whose').selectOption(role);
    await page.getByLabel('New password').fill(password);
    await page.getByRole('button', { name: 'Set', exact: true }).click();
    if (role === 'viewer') await page.waitForSelector('.toast.done');
  }
  await page.context().close();
  const { status } = await fetch(`${device.address}/api/state`);
  assert.equal(status, 401);
});

test('without one nothing but the log-in is served', async () => {
  for (const path of ['/', '/main.js', '/style.css', '/api/state', '/api/preview.jpg', '/api/openapi.json', '/metrics', '/healthz', '/scenes/reef.jpg', '/nowhere']) {
    const { status } = await fetch(device.address + path, { redirect: 'manual' });
    assert.equal(status, 401, path);
  }
  assert.equal((await fetch(`${device.address}/login`)).status, 200);
  const live = await fetch(`${device.address}/api/live`, { headers: { Connection: 'Upgrade', Upgrade: 'websocket' } }).catch(() => ({ status: 401 }));
  assert.equal(live.status, 401);
});

test('a wrong one is refused, a director directs', async () => {
  const page = await logIn('a wild guess');
  await page.waitForSelector('#message:has-text("wrong")');
  await page.getByLabel('Password').fill(DIRECTOR);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: /Reef$/ }).click();
  await device.stateWhere('Reef', state => state.scene === 'Reef');
  await page.context().close();
});

test('a viewer looks, and changes nothing', async () => {
  const page = await logIn(VIEWER);
  await page.waitForSelector('.preview canvas');
  assert.equal(await page.locator('.quick').count(), 0);
  assert.equal(await page.locator('nav a').count(), 1);
  const status = await page.evaluate(() => fetch('/api/set', { method: 'POST', body: '{"intensity": 0}' }).then(response => response.status));
  assert.equal(status, 403);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL(/login/);
  await page.goto(device.address);
  await page.waitForURL(/login/);
  await page.context().close();
});

test('a password that is changed logs everybody out, also from what is open', async () => {
  const page = await logIn(DIRECTOR);
  await page.waitForSelector('main');
  execFileSync(process.env.REVERIE ?? '../../target/debug/reverie', ['password', '--config', `${device.folder}/reverie.toml`], { input: 'another good one\n', cwd: import.meta.dirname, stdio: ['pipe', 'ignore', 'ignore'] });
  await page.waitForURL(/login/);
  await page.context().close();
  assert.equal((await fetch(`${device.address}/api/state`, { headers: { Authorization: `Bearer ${DIRECTOR}` } })).status, 401);
  assert.equal((await fetch(`${device.address}/api/state`, { headers: { Authorization: 'Bearer another good one' } })).status, 200);
});

test('passwords that are guessed are slowed down', async () => {
  const statuses = [];
  for (let guess = 0; guess < 12; guess += 1) {
    const response = await fetch(`${device.address}/login`, { method: 'POST', body: new URLSearchParams({ password: `guess ${guess}` }) });
    statuses.push(response.status);
  }
  assert.ok(statuses.includes(429), String(statuses));
  await until('the dream goes on', async () => {
    const text = await (await fetch(`${device.address}/metrics`, { headers: { Authorization: 'Bearer another good one' } })).text();
    return Number(/^reverie_dreams_per_second (\S+)/m.exec(text)?.[1]) > 0;
  });
});
