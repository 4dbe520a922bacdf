/**
 * Every instance that was heard of, one row each.
 *
 * @typedef {object} Instance
 * @property {string} instance
 * @property {string} version
 * @property {string} started_at
 * @property {'ready' | 'degraded' | 'unready' | 'draining'} status
 * @property {Record<string, string>} parts
 * @property {number} connections
 * @property {number} mutations_per_s
 * @property {number} deliveries_per_s
 * @property {number | null} lag_ms
 * @property {number} silent_s
 */
import { asWords } from '../page/format.js';
import { el, keep, setText } from '../views/dom.js';
import { words } from './words.js';

const texts = words.instances;
const COLUMNS = /** @type {const} */ (['name', 'version', 'status', 'up', 'connections', 'rate', 'deliveries', 'lag']);
const NUMBERS = new Set(['up', 'connections', 'rate', 'deliveries', 'lag']);

export class Instances {
  #rows = el('tbody');
  #waiting = el('p', { class: 'quiet' }, texts.waiting);

  constructor() {
    this.element = el(
      'section',
      { class: 'card wide', 'aria-labelledby': 'instances-heading' },
      el('h2', { id: 'instances-heading' }, texts.heading),
      el(
        'div',
        { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': texts.heading },
        el('table', { id: 'instances' }, el('thead', {}, el('tr', {}, ...COLUMNS.map((name) => el('th', { scope: 'col', class: NUMBERS.has(name) ? 'number' : null }, texts[name])))), this.#rows),
      ),
      this.#waiting,
    );
  }

  /** @param {Instance[]} instances  @param {string | undefined} here  The one that this page is connected to. */
  show(instances, here) {
    this.#waiting.hidden = instances.length > 0;
    keep(this.#rows, instances, {
      key: (one) => one.instance,
      make: () => el('tr', {}, ...COLUMNS.map((name) => el(name === 'name' ? 'th' : 'td', { class: NUMBERS.has(name) ? 'number numbers' : null, scope: name === 'name' ? 'row' : null }))),
      fill: (row, one) => {
        const [name, version, status, up, connections, rate, deliveries, lag] = /** @type {HTMLElement[]} */ ([...row.children]);
        setText(name, one.instance === here ? `${one.instance} (${texts.here})` : one.instance);
        setText(version, one.version);
        this.#state(status, one);
        setText(up, asWords((Date.now() - Date.parse(one.started_at)) / 1000));
        setText(connections, one.connections.toLocaleString());
        setText(rate, one.mutations_per_s.toLocaleString());
        setText(deliveries, one.deliveries_per_s.toLocaleString());
        setText(lag, one.lag_ms === null ? words.none : words.figures.ms(one.lag_ms.toLocaleString()));
      },
    });
  }

  /** @param {HTMLElement} cell  @param {Instance} one */
  #state(cell, one) {
    const troubles = Object.entries(one.parts).filter(([, state]) => state !== 'ok').map(([part, state]) => `${part} ${state}`);
    const kind = one.silent_s ? 'silent' : one.status;
    cell.dataset.kind = kind;
    setText(cell, one.silent_s ? texts.silent(one.silent_s) : troubles.length ? `${one.status}: ${texts.troubled(troubles)}` : one.status);
  }
}
