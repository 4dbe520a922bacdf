/**
 * What all instances do together: six numbers, each with its last two minutes.
 */
import { el, setText } from '../views/dom.js';
import { Sparkline } from './sparkline.js';
import { words } from './words.js';

const texts = words.figures;
/** @typedef {'connections' | 'mutations_per_s' | 'deliveries_per_s' | 'confirm_ms' | 'lag_ms' | 'errors_per_s'} Name */
const NAMES = /** @type {Name[]} */ (['connections', 'mutations_per_s', 'deliveries_per_s', 'confirm_ms', 'lag_ms', 'errors_per_s']);
const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });

export class Figures {
  /** @type {Map<Name, {value: HTMLElement, spark: Sparkline}>} */
  #tiles = new Map();

  constructor() {
    this.element = el('section', { class: 'figures', id: 'figures', tabindex: '-1', 'aria-labelledby': 'figures-heading' }, el('h2', { id: 'figures-heading', class: 'unseen' }, texts.heading));
    for (const name of NAMES) {
      const tile = { value: el('p', { class: 'figure-value numbers', id: `figure-${name}` }, words.none), spark: new Sparkline() };
      this.#tiles.set(name, tile);
      this.element.append(el('div', { class: 'card figure' }, el('h3', { class: 'figure-name' }, texts[name]), tile.value, tile.spark.element));
    }
  }

  /** @param {Record<Name, number | null>[]} history */
  begin(history) {
    for (const [name, { spark }] of this.#tiles) spark.fill(history.map((one) => one[name] ?? 0));
  }

  /** @param {Record<Name, number | null>} together  Null: nothing to tell just now. */
  add(together) {
    for (const [name, { value, spark }] of this.#tiles) {
      const shown = short.format(together[name] ?? 0);
      setText(value, together[name] === null ? words.none : name.endsWith('_ms') ? texts.ms(shown) : shown);
      spark.add(together[name] ?? 0);
    }
  }
}
