// Preact with tagged templates in place of JSX: no build step.

import { h, render } from './lib/preact.js';
import { useCallback, useEffect, useMemo, useRef, useState } from './lib/hooks.js';
import htm from './lib/htm.js';

export const html = htm.bind(h);
export { render, useCallback, useEffect, useMemo, useRef, useState };
