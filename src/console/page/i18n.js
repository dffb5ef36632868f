// @ts-check
// Texts in the reader's language. The English text is the key: what has no translation is shown in English.

import { read, update } from './store.js';

export const LANGUAGES = { en: 'English', de: 'Deutsch', fr: 'Français' };

/** @type {Record<string, string>} */
let words = {};

/** @returns {string} the language chosen here before, else the browser's, where it is known */
export function preferred() {
  const chosen = localStorage.getItem('language');
  const wanted = [chosen, ...navigator.languages].map(language => language?.slice(0, 2).toLowerCase());
  return wanted.find(language => language && language in LANGUAGES) ?? 'en';
}

/** @param {string} language */
export async function speak(language) {
  words = language === 'en' ? {} : (await import(`./languages/${language}.js`)).default;
  document.documentElement.lang = language;
  update({ language });
}

/**
 * Marks a text that is translated where it is shown.
 *
 * @template {string} T
 * @param {T} text
 */
export const marked = text => text;

/**
 * A text, with what is to stand in it: `t('{count} scenes', {count: 3})`.
 *
 * @param {string | null | undefined} text
 * @param {Record<string, string | number>} [inside]
 * @returns {string}
 */
export function t(text, inside = {}) {
  if (!text) return '';
  const template = words[text] ?? text;
  return template.replace(/\{(\w+)\}/g, (whole, name) => String(inside[name] ?? whole));
}

/**
 * @param {number} value
 * @param {number} [digits] after the point, at most
 */
export function number(value, digits = 2) {
  return new Intl.NumberFormat(read().language, { maximumFractionDigits: digits }).format(value);
}

/**
 * A parameter's name as people read it.
 *
 * @param {string} name
 */
export function title(name) {
  const text = t(name.replaceAll('_', ' '));
  return text[0].toLocaleUpperCase(read().language) + text.slice(1);
}
