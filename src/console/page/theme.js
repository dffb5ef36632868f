// @ts-check
// Dark, light, or as the system is.

import { marked } from './i18n.js';

export const THEMES = { auto: marked('As the system'), dark: marked('Dark'), light: marked('Light') };

/** @returns {string} */
export function theme() {
  const chosen = localStorage.getItem('theme') ?? 'auto';
  return chosen in THEMES ? chosen : 'auto';
}

/** @param {string} chosen */
export function chooseTheme(chosen) {
  localStorage.setItem('theme', chosen);
  applyTheme();
}

export function applyTheme() {
  const chosen = theme();
  const root = document.documentElement;
  if (chosen === 'auto') delete root.dataset.theme;
  else root.dataset.theme = chosen;
}
