// What the page has of others is what was published.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

const FILES = { 'preact.js': 'preact/dist/preact.mjs', 'hooks.js': 'preact/hooks/dist/hooks.mjs', 'htm.js': 'htm/dist/htm.mjs' };

for (const [own, published] of Object.entries(FILES)) {
  test(`${own} is npm's`, async () => {
    const read = path => readFile(new URL(path, import.meta.url), 'utf8');
    const expected = (await read(`node_modules/${published}`)).replace(/^\/\/# sourceMappingURL.*\n?/m, '').replace('from"preact"', 'from"./preact.js"');
    assert.equal((await read(`../../src/console/page/lib/${own}`)).trimEnd(), expected.trimEnd());
  });
}
