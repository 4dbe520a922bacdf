/**
 * What people were answered with instead of what they wanted: by code, the last day, the most frequent first.
 *
 * Rows come by the hour; whatever else they are told apart by (a route, say) is shown where it is there.
 *
 * @typedef {{at: string, code: string, class: string, count: number, route?: string}} Row
 */
import { el, setShown, setText } from '../views/dom.js';
import { ask, RefusedError } from './requests.js';
import { words } from './words.js';

const texts = words.errors;
const DAY_MS = 24 * 60 * 60 * 1000;
const HOUR_MS = 60 * 60 * 1000;
const EVERY_MS = 60_000;

export class ErrorBoard {
  #head = el('tr');
  #rows = el('tbody');
  #said = el('p', { class: 'quiet', role: 'status' });
  #table;

  constructor() {
    this.#table = el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': texts.heading, hidden: true }, el('table', { id: 'errors' }, el('thead', {}, this.#head), this.#rows));
    this.element = el(
      'section',
      { class: 'card', 'aria-labelledby': 'errors-heading' },
      el('div', { class: 'card-top' }, el('h2', { id: 'errors-heading' }, texts.heading), el('button', { type: 'button', class: 'button small', onclick: () => void this.load() }, texts.again)),
      this.#said,
      this.#table,
    );
  }

  /** Looks now, and again every minute. */
  begin() {
    void this.load();
    setInterval(() => !document.hidden && void this.load(), EVERY_MS);
  }

  async load() {
    try {
      const since = new Date(Date.now() - DAY_MS).toISOString();
      this.#show((await ask(`/api/analytics/errors?grain=hour&from=${encodeURIComponent(since)}`)).errors);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      setText(this.#said, error.message);
    }
  }

  /** @param {Row[]} rows */
  #show(rows) {
    const hasRoutes = rows.some(({ route }) => route);
    /** @type {Map<string, Row & {last: number}>} */
    const sums = new Map();
    for (const row of rows) {
      const key = `${row.class} ${row.code} ${row.route ?? ''}`;
      const sum = sums.get(key) ?? { ...row, count: 0, last: 0 };
      sum.count += row.count;
      if (Date.now() - Date.parse(row.at) < HOUR_MS) sum.last += row.count;
      sums.set(key, sum);
    }
    const shown = [...sums.values()].sort((one, other) => other.count - one.count);
    const columns = [texts.code, texts.class, ...(hasRoutes ? [texts.route] : []), texts.count, texts.last];
    this.#head.replaceChildren(...columns.map((name, index) => el('th', { scope: 'col', class: index >= columns.length - 2 ? 'number' : null }, name)));
    this.#rows.replaceChildren(
      ...shown.map((row) =>
        el(
          'tr',
          {},
          el('th', { scope: 'row' }, el('code', {}, row.code)),
          el('td', {}, row.class),
          hasRoutes && el('td', {}, el('code', {}, row.route ?? '')),
          el('td', { class: 'number numbers' }, row.count.toLocaleString()),
          el('td', { class: 'number numbers' }, row.last.toLocaleString()),
        ),
      ),
    );
    setShown(this.#table, shown.length > 0);
    setText(this.#said, shown.length ? '' : texts.nothing);
  }
}
