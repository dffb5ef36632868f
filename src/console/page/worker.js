// Keeps the page's own files, so that it opens at once, and while the mirror is away. What the mirror says is never kept.

const SHELL = 'reverie-1';

self.addEventListener('install', event => event.waitUntil(keepAll().then(() => self.skipWaiting())));
self.addEventListener('activate', event => {
  const others = caches.keys().then(names => Promise.all(names.filter(name => name !== SHELL).map(name => caches.delete(name))));
  event.waitUntil(Promise.all([others, self.clients.claim()]));
});

self.addEventListener('fetch', event => {
  const { method, url, mode } = event.request;
  const { origin, pathname } = new URL(url);
  const isShell = mode === 'navigate' ? pathname === '/' : /\.(js|css|svg|png|webmanifest)$/.test(pathname);
  if (method === 'GET' && origin === location.origin && isShell) event.respondWith(newest(event.request));
});

async function keepAll() {
  const files = await (await fetch('/shell.json')).json();
  await (await caches.open(SHELL)).addAll(files);
}

/** The mirror's own, else what was kept: after an update the page is the new one at once. @param {Request} request */
async function newest(request) {
  const kept = await caches.open(SHELL);
  try {
    const response = await fetch(request);
    if (response.ok && !response.redirected) await kept.put(request, response.clone());
    return response;
  } catch (error) {
    const old = await kept.match(request);
    if (old) return old;
    throw error;
  }
}
