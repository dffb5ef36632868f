// Everything that the page says is said in each of its languages.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Device } from './device.mjs';
import { LANGUAGES, ofAbout, ofFindings, ofSource } from './words.mjs';

let device, texts;
before(async () => {
  device = await Device.start({ broker: false });
  const about = await device.ask('/api/about');
  texts = new Set([...(await ofSource()), ...(await ofFindings()), ...ofAbout(about)]);
});
after(() => device?.stop());

for (const language of LANGUAGES) {
  test(`nothing is missing in ${language}, and nothing is left over`, async () => {
    const words = (await import(`../../src/console/page/languages/${language}.js`)).default;
    assert.deepEqual([...texts].filter(text => !(text in words)), [], 'missing');
    assert.deepEqual(Object.keys(words).filter(text => !texts.has(text)), [], 'left over');
    // What stands in a text stands in its translation.
    const holes = text => [...text.matchAll(/\{\w+\}/g)].map(([hole]) => hole).sort();
    for (const [text, translated] of Object.entries(words)) assert.deepEqual(holes(translated), holes(text), text);
  });
}
