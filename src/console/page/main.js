// @ts-check
// Begins: the language, the first state, the connection, the page.

import { connect, learn } from './live.js';
import { preferred, speak } from './i18n.js';
import { html, render } from './ui.js';
import { applyTheme } from './theme.js';
import { App } from './views/app.js';

applyTheme();
const page = document.getElementById('page');
try {
  await Promise.all([speak(preferred()), learn()]);
} catch {
  // The connection goes on trying, and the page says that there is none.
}
if (page) {
  page.textContent = '';
  render(html`<${App} />`, page);
}
connect();
// Shown without the mirror too, and installed on a telephone. Browsers allow it by TLS, and on the machine itself.
navigator.serviceWorker?.register('/worker.js').catch(() => {});
