// Directing from the page: what is chosen there is what the mirror does, and what its broker tells.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DESKTOP, Device, PHONE, go, openBrowser, openPage, picture, until } from './device.mjs';

let device, browser;
before(async () => {
  device = await Device.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await device?.stop();
});

for (const [name, viewport] of [['a telephone', PHONE], ['a desktop', DESKTOP]]) {
  describe(`on ${name}`, () => {
    let page;
    before(async () => {
      page = await openPage(browser, device, { viewport });
    });
    after(() => page?.context().close());

    test('a scene is chosen, and the picture follows', async () => {
      await until('a picture is shown', () => picture(page));
      for (const scene of ['Reef', 'Eyes']) {
        await page.getByRole('button', { name: new RegExp(`${scene}$`) }).click();
        await device.stateWhere(`the scene is ${scene}`, state => state.scene === scene);
        await page.waitForSelector(`.preview figcaption:has-text("${scene}")`);
      }
      const before = await picture(page);
      await until('the picture changes', async () => (await picture(page)) !== before);
    });

    test('a group, a neuron and a word are chosen by their pictures', async () => {
      await go(page, 'dream');
      await page.locator('.tiles button[title]').filter({ hasText: 'f12' }).first().click();
      const { layer } = await device.stateWhere('another layer', state => state.layer.endsWith('f12'));
      const about = await device.retained('about');
      const [group] = Object.keys(about.layers.find(({ name }) => name === layer).groups);
      await page.getByRole('button', { name: group, exact: true }).first().click();
      await device.stateWhere(`the group ${group}`, state => state.neurons === group);
      await page.getByText(/Each of the/).click();
      await page.getByRole('button', { name: '17', exact: true }).click();
      await device.stateWhere('neuron 17', state => state.neurons === '17');
      // Searched for by word, over all layers.
      await page.getByRole('searchbox').fill('castle');
      const found = page.locator('.tiles button').first();
      const word = await found.locator('.label').innerText();
      assert.match(word, /castle/);
      await found.click();
      await device.stateWhere(`the word ${word}`, state => state.neurons === word && state.layer.includes('words'));
      await page.getByRole('searchbox').fill('');
      // Several, written.
      const field = page.getByRole('combobox', { name: 'Neurons' });
      await field.fill('a castle, peacocks:0.5');
      await field.press('Enter');
      await device.stateWhere('two words', state => state.neurons === 'a castle,peacocks:0.5');
      await field.fill('a castel');
      await field.press('Enter');
      await page.waitForSelector('.toast.error:has-text("castle")');
    });

    test('a number glides as slowly as is chosen', async () => {
      await go(page, 'adjust');
      await page.getByLabel('Over').selectOption('20s');
      await page.getByRole('slider', { name: 'Intensity' }).fill('0.3');
      const state = await device.stateWhere('a ramp', ({ ramps }) => ramps.intensity);
      assert.equal(state.ramps.intensity.to, 0.3);
      await page.waitForSelector('.ramp');
      await page.getByLabel('Over').selectOption('0s');
      await page.getByRole('slider', { name: 'Intensity' }).fill('0.9');
      await device.stateWhere('there at once', now => now.intensity === 0.9 && !now.ramps.intensity);
      await page.getByLabel('Over').selectOption('');
    });

    test('a scene is kept in one tap, renamed, deleted and brought back', async () => {
      await go(page, 'scenes');
      const names = async () => (await device.ask('/api/about')).scenes.filter(({ saved }) => saved).map(scene => scene.name);
      const before = await names();
      await page.getByRole('button', { name: 'Keep', exact: true }).click();
      const kept = await until('a scene more', async () => (await names()).find(scene => !before.includes(scene)));
      await page.getByRole('button', { name: 'Edit' }).click();
      await page.getByRole('button', { name: `Rename ${kept}` }).click();
      const own = `Evening at ${viewport.width}`;
      await page.getByLabel('Name').fill(own);
      await page.getByRole('button', { name: 'Rename', exact: true }).click();
      await until('the new name', async () => (await names()).includes(own) && !(await names()).includes(kept));
      await page.getByRole('button', { name: `Delete ${own}` }).click();
      await until('it is gone', async () => !(await names()).includes(own));
      await page.getByRole('button', { name: 'Undo' }).click();
      await until('it is back', async () => (await names()).includes(own));
    });

    test('a change is taken back', async () => {
      await page.getByRole('button', { name: /Puppies$/ }).click();
      await device.stateWhere('Puppies', state => state.scene === 'Puppies');
      await page.getByRole('button', { name: /Reef$/ }).click();
      await device.stateWhere('Reef', state => state.scene === 'Reef');
      await page.getByRole('button', { name: 'Undo' }).click();
      await device.stateWhere('Puppies again', state => state.scene === 'Puppies');
    });

    test('opening hours are set for a week, and seen at a glance', async () => {
      await go(page, 'times');
      const monday = page.getByRole('group', { name: 'Monday' });
      await monday.getByLabel('Monday: open or closed').selectOption('hours');
      await monday.getByLabel('Monday: opens').fill('11:00');
      await monday.getByLabel('Monday: closes').fill('23:30');
      await page.getByRole('button', { name: 'Every day like Monday' }).click();
      await page.getByLabel('Sunday: open or closed').selectOption('closed');
      await page.getByRole('button', { name: 'Save the hours' }).click();
      const { hours } = await until('they are told', async () => {
        const about = await device.retained('about');
        return about.hours?.monday === '11:00-23:30' && about.hours.sunday === 'closed' && about;
      });
      assert.equal(hours.configured, false);
      assert.equal(await page.locator('.week rect').count(), 6);
      await page.getByRole('button', { name: 'As configured' }).click();
      await until('none again', async () => (await device.retained('about')).hours === null);
    });

    test('the playlist is put in order', async () => {
      const list = () => device.ask('/api/about').then(about => about.playlist);
      const before = await list();
      await page.getByRole('button', { name: `Move ${before[0]} down` }).click();
      await until('it moved', async () => (await list())[1] === before[0]);
      await page.getByRole('button', { name: `Take ${before[0]} off the list` }).click();
      await until('it is off', async () => !(await list()).includes(before[0]));
      await page.getByRole('button', { name: 'As at first' }).click();
      await until('as before', async () => (await list()).length === before.length);
    });

    test('nothing was complained of in the browser', () => {
      const own = page.complaints.filter(text => !text.includes('422'));
      assert.deepEqual(own, []);
    });
  });
}

test('two pages stay in step, and follow the broker', async () => {
  const [one, other] = [await openPage(browser, device), await openPage(browser, device, { viewport: DESKTOP })];
  await one.getByRole('button', { name: 'Pause' }).click();
  await other.waitForSelector('.quick button[aria-pressed=true]:has-text("Pause")');
  await other.getByRole('button', { name: 'Pause' }).click();
  await one.waitForSelector('.quick button[aria-pressed=false]:has-text("Pause")');
  await device.publish(`reverie/${device.name}/set/scene`, 'Meadow');
  for (const page of [one, other]) await page.waitForSelector('.preview figcaption:has-text("Meadow")');
  await one.context().close();
  await other.context().close();
});

test('everything is reached and used by keyboard', async () => {
  const page = await openPage(browser, device, { viewport: DESKTOP });
  await page.locator('nav a').first().focus();
  await page.keyboard.press('Tab');
  const named = await page.evaluate(() => document.activeElement?.getAttribute('href'));
  assert.equal(named, '#/dream');
  await page.keyboard.press('Enter');
  await page.waitForSelector('nav a[href="#/dream"][aria-current=page]');
  await go(page, 'scenes');
  await page.getByRole('button', { name: /Market$/ }).focus();
  await page.keyboard.press('Enter');
  await device.stateWhere('Market', state => state.scene === 'Market');
  await page.context().close();
});
