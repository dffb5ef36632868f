// Every text that the page may show, in English: those in its source, and those that the mirror sends.

import { readFile, readdir } from 'node:fs/promises';

const PAGE = new URL('../../src/console/page/', import.meta.url);
export const LANGUAGES = ['de', 'fr'];

/** The texts in the source: `t('…')` and `marked('…')`. */
export async function ofSource() {
  const files = (await readdir(PAGE, { recursive: true })).filter(name => name.endsWith('.js') && !/^(lib|languages)\//.test(name));
  const found = new Set();
  for (const file of files) {
    const source = await readFile(new URL(file, PAGE), 'utf8');
    for (const [, text] of source.matchAll(/\b(?:t|marked)\(\s*'((?:[^'\\]|\\.)*)'/g)) found.add(text);
    // One of two.
    for (const [, one, other] of source.matchAll(/\bt\([^'()]*\? '([^']*)' : '([^']*)'/g)) found.add(one).add(other);
  }
  return [...found];
}

/** The names of parts of a mirror, and what to do about them. */
export async function ofFindings() {
  const source = await readFile(new URL('../../src/health/findings.rs', import.meta.url), 'utf8');
  const [code] = source.split('#[cfg(test)]');
  const constants = [...code.matchAll(/const \w+: &str = "((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text);
  const named = [...code.matchAll(/Finding::\w+\("(\w+)"/g)].map(([, text]) => text);
  return [...constants, ...named];
}

/** Names and descriptions of parameters, their choices, and what scenes are. */
export function ofAbout(about) {
  const { properties } = about.schema;
  const parameters = Object.entries(properties).flatMap(([name, { description, enum: choices }]) => {
    const own = ['layer', 'second_layer', 'guide'].includes(name) ? [] : (choices ?? []);
    return [name.replaceAll('_', ' '), description, ...own];
  });
  const scenes = about.scenes.map(scene => scene.about).filter(Boolean);
  return [...parameters, ...scenes, ...about.live_neurons];
}
