// @ts-check
// Opening hours: a week at a glance, and each day written.

import { act, ask, tell } from '../commands.js';
import { marked, t } from '../i18n.js';
import { html, useEffect, useState } from '../ui.js';
import { update, useStore } from '../store.js';

const DAYS = [marked('monday'), marked('tuesday'), marked('wednesday'), marked('thursday'), marked('friday'), marked('saturday'), marked('sunday')];

/** @typedef {{week: Record<string, string>, outside: string, timezone: string, exceptions: [string, string][]}} Draft */

/**
 * @param {import('../types.d.ts').Hours | null | undefined} hours
 * @returns {Draft}
 */
function draftOf(hours) {
  const week = Object.fromEntries(DAYS.map(day => [day, hours ? String(hours[day] ?? 'closed') : 'open']));
  const zone = hours?.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  return { week, outside: hours?.outside ?? 'blank', timezone: zone, exceptions: Object.entries(hours?.exceptions ?? {}) };
}

export function Hours() {
  const hours = useStore(store => store.about?.hours);
  const scenes = useStore(store => store.about?.scenes);
  const [draft, setDraft] = useState(() => draftOf(hours));
  const [isChanged, setChanged] = useState(false);
  // Another page changed them.
  useEffect(() => {
    if (!isChanged) setDraft(draftOf(hours));
  }, [hours]);
  const change = (/** @type {Partial<Draft>} */ news) => {
    setDraft({ ...draft, ...news });
    setChanged(true);
  };
  const save = async (/** @type {Record<string, unknown>} */ entries) => {
    if (!(await act('hours', entries))) return;
    setChanged(false);
    const about = await ask('/api/about');
    update({ about });
    setDraft(draftOf(about.hours));
    tell(t('The opening hours are saved.'));
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const { week, outside, timezone, exceptions } = draft;
    save({ ...week, outside, timezone, exceptions: Object.fromEntries(exceptions.filter(([date]) => date)) });
  };
  const setException = (/** @type {number} */ place, /** @type {[string, string] | null} */ exception) =>
    change({ exceptions: draft.exceptions.flatMap((old, at) => (at === place ? (exception ? [exception] : []) : [old])) });
  return html`
    <section aria-labelledby="hours">
      <h3 id="hours">${t('Opening hours')}</h3>
      <form class="hours" onSubmit=${submit}>
        <${Week} week=${draft.week} />
        ${DAYS.map(day => html`<${Day} key=${day} day=${day} text=${draft.week[day]} onchange=${(/** @type {string} */ text) => change({ week: { ...draft.week, [day]: text } })} />`)}
        <p><button type="button" class="small" onClick=${() => change({ week: Object.fromEntries(DAYS.map(day => [day, draft.week.monday])) })}>${t('Every day like Monday')}</button></p>
        <label class="row"><span>${t('Otherwise')}</span>
          <select value=${draft.outside} onChange=${(/** @type {any} */ e) => change({ outside: e.target.value })}>
            <option value="blank">${t('Black')}</option>
            ${scenes?.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
          </select>
        </label>
        <details>
          <summary>${t('Single dates, time zone')}</summary>
          ${draft.exceptions.map(
            ([date, text], place) => html`
              <div class="row exception" key=${place}>
                <input type="date" aria-label=${t('Date')} value=${date} onChange=${(/** @type {any} */ e) => setException(place, [e.target.value, text])} />
                <input type="text" aria-label=${t('Hours of that date')} value=${text} onChange=${(/** @type {any} */ e) => setException(place, [date, e.target.value])} />
                <button type="button" onClick=${() => setException(place, null)}>${t('Remove')}</button>
              </div>
            `,
          )}
          <button type="button" class="small" onClick=${() => change({ exceptions: [...draft.exceptions, ['', 'closed']] })}>${t('Add a date')}</button>
          <label class="row"><span>${t('Time zone')}</span>
            <input type="text" list="zones" value=${draft.timezone} onChange=${(/** @type {any} */ e) => change({ timezone: e.target.value })} />
            <datalist id="zones">${Intl.supportedValuesOf('timeZone').map(zone => html`<option key=${zone} value=${zone} />`)}</datalist>
          </label>
        </details>
        <div class="buttons">
          ${hours && !hours.configured && html`<button type="button" onClick=${() => save({})}>${t('As configured')}</button>`}
          <button type="submit" class="main" disabled=${!isChanged}>${t('Save the hours')}</button>
        </div>
      </form>
    </section>
  `;
}

/**
 * A day: open around the clock, closed, or from one time to another. What is written otherwise stays as it is.
 *
 * @param {{day: string, text: string, onchange: (text: string) => void}} properties
 */
function Day({ day, text, onchange }) {
  const kind = text === 'open' || text === 'closed' ? text : 'hours';
  const parts = spans(text);
  const choose = (/** @type {string} */ wanted) => onchange(wanted === 'hours' ? '10:00-18:00' : wanted);
  const write = (/** @type {number} */ place, /** @type {'from' | 'to'} */ end, /** @type {string} */ time) =>
    onchange(parts.map((part, at) => ({ ...part, ...(at === place ? { [end]: time } : {}) })).map(({ from, to }) => `${from}-${to}`).join(', '));
  const name = t(day);
  return html`
    <div class="day" role="group" aria-label=${name}>
      <span class="name">${name}</span>
      <select aria-label=${t('{day}: open or closed', { day: name })} value=${kind} onChange=${(/** @type {any} */ e) => choose(e.target.value)}>
        <option value="hours">${t('from … to')}</option>
        <option value="open">${t('day and night')}</option>
        <option value="closed">${t('closed')}</option>
      </select>
      ${kind === 'hours' &&
      html`
        <span class="spans">
          ${parts.map(
            ({ from, to }, place) => html`
              <span key=${place}>
                <input type="time" required aria-label=${t('{day}: opens', { day: name })} value=${from} onChange=${(/** @type {any} */ e) => write(place, 'from', e.target.value)} />
                – <input type="time" required aria-label=${t('{day}: closes', { day: name })} value=${to === '24:00' ? '00:00' : to} onChange=${(/** @type {any} */ e) => write(place, 'to', e.target.value)} />
              </span>
            `,
          )}
          ${parts.length === 1
            ? html`<button type="button" class="small" onClick=${() => onchange(`${text}, 19:00-21:00`)}>${t('and again')}</button>`
            : html`<button type="button" class="small" onClick=${() => onchange(text.split(',')[0])}>${t('once')}</button>`}
        </span>
      `}
    </div>
  `;
}

/**
 * The hours of a day, as the configuration writes them: `10:00-13:00, 14:00-18:00`.
 *
 * @param {string} text
 */
export function spans(text) {
  if (text === 'closed') return [];
  if (text === 'open') return [{ from: '00:00', to: '24:00' }];
  return text.split(',').map(part => {
    const [from = '', to = ''] = part.split('-').map(time => time.trim().padStart(5, '0'));
    return { from, to };
  });
}

/** @param {string} time */
function hoursOf(time) {
  const [hour, minute] = time.split(':').map(Number);
  return hour + (minute || 0) / 60;
}

/** A week at a glance; hours past midnight go on with the next day. @param {{week: Record<string, string>}} properties */
function Week({ week }) {
  const bars = DAYS.flatMap((day, place) =>
    spans(week[day]).flatMap(({ from, to }) => {
      const [begin, end] = [hoursOf(from), hoursOf(to)];
      if (!(begin >= 0 && end >= 0)) return [];
      if (end > begin) return [{ place, begin, end }];
      return [{ place, begin, end: 24 }, { place: (place + 1) % 7, begin: 0, end }];
    }),
  );
  const summary = DAYS.map(day => `${t(day)}: ${spans(week[day]).map(({ from, to }) => `${from}–${to}`).join(', ') || t('closed')}`).join('; ');
  return html`
    <svg class="week" viewBox="0 0 260 130" role="img" aria-label=${summary}>
      ${[0, 6, 12, 18, 24].map(hour => html`<g key=${hour}><line x1=${30 + 9 * hour} x2=${30 + 9 * hour} y1="12" y2="128" /><text x=${30 + 9 * hour} y="9" text-anchor="middle">${hour}</text></g>`)}
      ${DAYS.map((day, place) => html`<text key=${day} x="24" y=${26 + 16 * place} text-anchor="end">${t(day).slice(0, 2)}</text>`)}
      ${bars.map(({ place, begin, end }, key) => html`<rect key=${key} x=${30 + 9 * begin} width=${9 * (end - begin)} y=${17 + 16 * place} height="11" rx="3" />`)}
    </svg>
  `;
}
