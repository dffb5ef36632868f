// @ts-check
// The whole page: the picture pinned above, and one view below it.

import { marked, t } from '../i18n.js';
import { html, useEffect, useState } from '../ui.js';
import { useStore } from '../store.js';
import { Icon } from '../parts/icon.js';
import { Toast } from '../parts/toast.js';
import { HealthLine } from './health.js';
import { Preview } from './preview.js';
import { Quick } from './quick.js';
import { Scenes } from './scenes.js';
import { Dream } from './dream.js';
import { Adjust } from './adjust.js';
import { Times } from './times.js';
import { Mirror } from './mirror.js';

const VIEWS = [
  { name: 'scenes', title: marked('Scenes'), icon: 'scenes', view: Scenes },
  { name: 'dream', title: marked('Dream'), icon: 'eye', view: Dream },
  { name: 'adjust', title: marked('Adjust'), icon: 'sliders', view: Adjust },
  { name: 'times', title: marked('Times'), icon: 'clock', view: Times },
  { name: 'mirror', title: marked('Mirror'), icon: 'mirror', view: Mirror },
];

/** The view that the address names, so that going back works and a link leads there. */
function useView() {
  const named = () => location.hash.replace('#/', '');
  const [name, setName] = useState(named);
  useEffect(() => {
    const follow = () => {
      setName(named());
      scrollTo({ top: 0 });
    };
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return name;
}

export function App() {
  const about = useStore(store => store.about);
  const session = useStore(store => store.session);
  const connected = useStore(store => store.connected);
  useStore(store => store.language);
  const name = useView();
  useEffect(() => {
    if (about) document.title = `${about.device} · Reverie`;
  }, [about?.device]);
  if (!about || !session) {
    return html`<p class="waiting" role="status">${connected ? '' : t('The mirror does not answer. Trying again …')}</p>`;
  }
  // Who may only look is shown what there is to see.
  const views = session.role === 'director' ? VIEWS : VIEWS.filter(view => view.name === 'mirror');
  const shown = views.find(view => view.name === name) ?? views[0];
  return html`
    <div class="frame">
      <header class="pinned">
        <div class="bar">
          <h1><span>Reverie</span> ${about.device}</h1>
          <${HealthLine} />
        </div>
        <${Preview} />
        ${session.role === 'director' && html`<${Quick} />`}
      </header>
      <nav class="tabs" aria-label=${t('Views')}>
        ${views.map(
          view => html`
            <a key=${view.name} href=${`#/${view.name}`} aria-current=${view === shown ? 'page' : null}>
              <${Icon} name=${view.icon} /><span>${t(view.title)}</span>
            </a>
          `,
        )}
      </nav>
      <main id="view"><h2 class="title">${t(shown.title)}</h2><${shown.view} key=${shown.name} /></main>
    </div>
    <${Toast} />
  `;
}
