// @ts-check
// How the mirror is, what it recognises, what it has done; and the page's own settings.

import { act, ask, command, tell } from '../commands.js';
import { LANGUAGES, marked, number, speak, t } from '../i18n.js';
import { followLog } from '../live.js';
import { html, useEffect, useState } from '../ui.js';
import { update, useStore } from '../store.js';
import { THEMES, chooseTheme, theme } from '../theme.js';
import { Plot } from '../parts/plot.js';
import { Health } from './health.js';

/** @typedef {import('../types.d.ts').Guess} Guess */

/** Between two looks at the last hour's figures, ms. */
const HISTORY_INTERVAL = 10_000;

export function Mirror() {
  const isDirector = useStore(store => store.session?.role === 'director');
  return html`
    <section aria-labelledby="health"><h3 id="health">${t('Health')}</h3><${Health} /><${Figures} /></section>
    <${Recognition} />
    <${LastHour} />
    <${Log} />
    <section aria-labelledby="settings">
      <h3 id="settings">${t('This page')}</h3>
      <${Appearance} />
      ${isDirector && html`<${Passwords} />`}
      <${LogOut} />
    </section>
    ${isDirector && html`<${Device} />`}
  `;
}

/** What telemetry says beside the findings. */
function Figures() {
  const now = useStore(store => store.telemetry);
  if (!now) return null;
  const hours = now.uptime_s / 3600;
  const time = hours < 1 ? t('{count} min', { count: number(now.uptime_s / 60, 0) }) : hours < 48 ? t('{count} h', { count: number(hours, 0) }) : t('{count} days', { count: number(hours / 24, 0) });
  const rows = [
    [marked('Dreams'), t('{count} a second', { count: number(now.fps, 1) })],
    [marked('Pictures'), t('{count} a second', { count: number(now.picture_fps, 0) })],
    [marked('Time of a dream'), `${number(now.frame_ms_p50, 0)} ms`],
    [marked('From camera to screen'), now.latency_ms === undefined ? '–' : `${number(now.latency_ms, 0)} ms`],
    [marked('Octaves, steps'), `${now.octaves} × ${now.steps}`],
    [marked('Memory'), `${number(now.memory_mib, 0)} MiB`],
    [marked('Running for'), time],
  ];
  return html`<dl class="figures">${rows.map(([name, value]) => html`<div key=${name}><dt>${t(name)}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** What the network takes the camera's picture for, and what the dream: it finds what it looks for. */
function Recognition() {
  const sight = useStore(store => store.telemetry?.recognition);
  if (!sight) return null;
  const list = (/** @type {string} */ heading, /** @type {Guess[] | undefined} */ guesses) =>
    guesses &&
    html`
      <div>
        <h4>${t(heading)}</h4>
        <ol>
          ${guesses.map(({ name, confidence, growth }) => {
            const percent = (/** @type {number} */ share) => number(100 * Math.max(0, share), 0);
            const before = growth === undefined ? '' : `${percent(confidence - growth)} → `;
            return html`<li key=${name} style=${{ '--part': `${Math.round(100 * confidence)}%` }}><span>${name}</span><i>${before}${percent(confidence)} %</i></li>`;
          })}
        </ol>
      </div>
    `;
  return html`
    <section aria-labelledby="recognition">
      <h3 id="recognition">${t('Recognition')}</h3>
      <p class="look">${t('It sees something in the camera’s picture, dreams more of it, and sees it the more surely.')}</p>
      <div class="loop">${list(marked('Seen by the camera'), sight.seen)}${list(marked('Seen in the dream'), sight.dreamed)}</div>
    </section>
  `;
}

function LastHour() {
  const [history, setHistory] = useState(/** @type {import('../types.d.ts').History | null} */ (null));
  useEffect(() => {
    const look = () => ask('/api/history').then(setHistory, () => {});
    look();
    const timer = setInterval(look, HISTORY_INTERVAL);
    return () => clearInterval(timer);
  }, []);
  if (!history?.fps?.length) return null;
  return html`
    <section aria-labelledby="hour">
      <h3 id="hour">${t('The last hour')}</h3>
      <div class="plots">
        <${Plot} heading=${t('Dreams')} unit="/s" values=${history.fps} />
        <${Plot} heading=${t('Pictures')} unit="/s" values=${history.picture_fps} digits=${0} />
        <${Plot} heading=${t('Latency')} unit="ms" values=${history.latency_ms} digits=${0} />
        <${Plot} heading=${t('Heat')} unit="°C" values=${history.temperature} digits=${0} />
        <${Plot} heading=${t('Memory')} unit="MiB" values=${history.memory_mib} digits=${0} />
      </div>
    </section>
  `;
}

function Log() {
  const lines = useStore(store => store.log);
  const language = useStore(store => store.language);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (!open) return;
    followLog(true);
    return () => void followLog(false);
  }, [open]);
  const time = (/** @type {number} */ at) => new Intl.DateTimeFormat(language, { dateStyle: 'short', timeStyle: 'medium' }).format(at);
  return html`
    <details onToggle=${(/** @type {any} */ e) => setOpen(e.target.open)}>
      <summary>${t('Log')}</summary>
      <ol class="log" tabindex="0" aria-label=${t('Log')}>
        ${[...lines].reverse().map(({ time: at, level, message }, place) => html`<li key=${`${at}${lines.length - place}`} class=${level}><time>${time(at)}</time> <b>${level}</b> ${message}</li>`)}
      </ol>
    </details>
  `;
}

function Appearance() {
  const language = useStore(store => store.language);
  const [chosen, setChosen] = useState(theme);
  const choose = (/** @type {string} */ name) => {
    chooseTheme(name);
    setChosen(name);
  };
  const learn = (/** @type {string} */ name) => {
    localStorage.setItem('language', name);
    speak(name);
  };
  return html`
    <label class="row"><span>${t('Language')}</span>
      <select value=${language} onChange=${(/** @type {any} */ e) => learn(e.target.value)}>
        ${Object.entries(LANGUAGES).map(([code, name]) => html`<option key=${code} value=${code} lang=${code}>${name}</option>`)}
      </select>
    </label>
    <label class="row"><span>${t('Appearance')}</span>
      <select value=${chosen} onChange=${(/** @type {any} */ e) => choose(e.target.value)}>
        ${Object.entries(THEMES).map(([name, text]) => html`<option key=${name} value=${name}>${t(text)}</option>`)}
      </select>
    </label>
  `;
}

/** Who may open the page: without a password nobody but the machine itself. */
function Passwords() {
  const session = useStore(store => store.session);
  const [role, setRole] = useState('director');
  const [password, setPassword] = useState('');
  if (!session?.can_set_password) return null;
  const change = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!(await command('/api/password', { role, password }))) return;
    setPassword('');
    tell(t('The password is set.'));
    update({ session: (await ask('/api/session')) || session });
  };
  return html`
    <details>
      <summary>${session.protected ? t('Passwords') : t('Set a password')}</summary>
      <form class="password" onSubmit=${change}>
        <p>${t('With a password other machines may be let in (console.allow_remote); then everybody is asked for it.')}</p>
        <label><span>${t('Whose')}</span>
          <select value=${role} onChange=${(/** @type {any} */ e) => setRole(e.target.value)}>
            <option value="director">${t('Directors: everything')}</option>
            <option value="viewer" disabled=${!session.protected}>${t('Viewers: looking alone')}</option>
          </select>
        </label>
        <label><span>${t('New password')}</span><input type="password" autocomplete="new-password" minlength="8" maxlength="256" required value=${password} onInput=${(/** @type {any} */ e) => setPassword(e.target.value)} /></label>
        <button type="submit" class="main">${t('Set')}</button>
      </form>
    </details>
  `;
}

function LogOut() {
  const isProtected = useStore(store => store.session?.protected);
  return isProtected && html`<form method="post" action="/logout"><button type="submit">${t('Log out')}</button></form>`;
}

/** What is done to the device itself. */
function Device() {
  const about = useStore(store => store.about);
  if (!about) return null;
  const can = (/** @type {string} */ name) => about.actions.some(action => action.name === name);
  return html`
    <section aria-labelledby="device">
      <h3 id="device">${t('This mirror')}</h3>
      <p class="look">Reverie ${about.versions.reverie}</p>
      <div class="chips">
        <button type="button" title=${t('Show the device’s name on its screen for some seconds')} onClick=${() => act('identify')}>${t('Identify')}</button>
        ${can('restart') && html`<button type="button" onClick=${() => confirm(t('Restart the mirror?')) && act('restart')}>${t('Restart')}</button>`}
      </div>
      <p class="look">${t('For programs:')} <a href="/api/openapi.json">OpenAPI</a> · <a href="/metrics">Prometheus</a></p>
    </section>
  `;
}
