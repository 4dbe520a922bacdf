/**
 * The picker's grid: sections of rows of emoji. A section keeps its room from the start and is
 * filled when it comes near, so nothing jumps and nothing is built that nobody looks at.
 *
 * @import {Catalogue} from '../page/catalogue.js'
 *
 * @typedef {{id: string, note?: string}} Cell  `note`: what else is to be known of it, such as "waiting for review".
 *
 * @typedef {object} Section
 * @property {string} id
 * @property {string} title
 * @property {number} count  How many there are, or will be.
 * @property {() => Cell[] | null} cells  Null while they are not there.
 * @property {() => Promise<boolean>} [load]  Fetches them. False: that did not work.
 * @property {Node} [tools]  Beside the heading.
 */
import { words } from '../page/messages.js';
import { el, setAttribute } from './dom.js';
import { emojiFace } from './emoji-face.js';
import { Slices } from './slices.js';

const texts = words.emoji;
/** Filled so long before it is seen. */
const AHEAD = '600px 0px';
/** px, as in the style sheet. */
const CELL = 44;
const HEADING = 36;

export class EmojiGrid {
  #catalogue;
  #columns = 8;
  #cellIds = 0;
  /** @type {Section[]} */
  #sections = [];
  /** @type {IntersectionObserver} */
  #nearing;
  element = el('div', { class: 'picker-grid', role: 'grid', 'aria-label': texts.title });

  /** @type {WeakMap<HTMLElement, Promise<boolean>>} */
  #filling = new WeakMap();
  /** @type {WeakMap<HTMLElement, object>} Whose rows are being made: the latest wins. */
  #turns = new WeakMap();
  #filled;

  /** @param {() => Catalogue} catalogue  @param {() => void} filled  Told when there are new cells. */
  constructor(catalogue, filled) {
    this.#catalogue = catalogue;
    this.#filled = filled;
    this.#nearing = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) if (isIntersecting) void this.fill(/** @type {HTMLElement} */ (target).dataset.section ?? '');
      },
      { root: this.element, rootMargin: AHEAD },
    );
  }

  /** @returns {number} How many fit beside each other. */
  get columns() {
    return this.#columns;
  }

  /** @param {Section[]} sections */
  show(sections) {
    this.#columns = Math.max(5, Math.floor((this.element.clientWidth - 16) / CELL) || 8);
    this.#nearing.disconnect();
    this.#sections = sections;
    this.element.replaceChildren(...sections.map((section) => this.#section(section)));
    // A grid without a row would be none.
    const isGrid = sections.some(({ count, tools }) => count || tools);
    setAttribute(this.element, 'role', isGrid ? 'grid' : 'group');
    setAttribute(this.element, 'aria-colcount', isGrid ? this.#columns : null);
    this.element.style.setProperty('--columns', String(this.#columns));
    for (const group of this.element.children) this.#nearing.observe(group);
    const first = sections.find(({ cells }) => cells()?.length);
    if (first) void this.fill(first.id);
    this.rove(this.cells()[0]);
  }

  /** @param {Section} section */
  #section({ id, title, count, tools, load }) {
    const heading = `picker-${id}`;
    const rows = el('div', { class: 'picker-rows', role: 'presentation' });
    const height = Math.ceil(count / this.#columns) * CELL;
    rows.style.minBlockSize = `${height}px`;
    const group = el(
      'div',
      { class: 'picker-section', role: 'rowgroup', 'aria-labelledby': heading, 'aria-busy': 'true', 'data-section': id },
      // A grid holds rows and nothing else: the heading names its rows, and what stands beside it is a row of one.
      el('div', { class: 'picker-heading', role: 'presentation' }, el('h3', { id: heading, role: 'presentation' }, title), tools && oneCell(tools)),
      rows,
    );
    // Until it has been drawn once it is as high as it will be: the scroll bar tells the truth.
    group.style.containIntrinsicBlockSize = `auto ${HEADING + height}px`;
    // What is empty and will stay so until something changes takes no room from the start.
    group.hidden = !count && !tools && !load;
    return group;
  }

  /** @param {string} id  @returns {HTMLElement | null} */
  group(id) {
    return this.element.querySelector(`[data-section="${CSS.escape(id)}"]`);
  }

  /** Puts the cells of a section in place, once they are there. @param {string} id  @returns {Promise<boolean>} */
  async fill(id) {
    const section = this.#sections.find((one) => one.id === id);
    const group = this.group(id);
    if (!section || !group || group.dataset.filled === 'yes') return Boolean(group);
    const filling = this.#filling.get(group) ?? this.#fill(section, group);
    this.#filling.set(group, filling);
    return filling;
  }

  /** @param {Section} section  @param {HTMLElement} group  @returns {Promise<boolean>} */
  async #fill(section, group) {
    const isThere = section.cells() !== null || (await section.load?.());
    if (group.isConnected && isThere) await this.refill(section.id);
    else if (group.isConnected) this.#fail(group, section.id);
    this.#filling.delete(group);
    return group.isConnected && Boolean(isThere);
  }

  /**
   * What a section holds has changed. A few rows are there at once; many come slice by slice,
   * into the room that is kept for them.
   *
   * @param {string} id
   */
  async refill(id) {
    const section = this.#sections.find((one) => one.id === id);
    const group = this.group(id);
    const cells = section?.cells();
    if (!group || !cells) return;
    const turn = {};
    this.#turns.set(group, turn);
    const box = /** @type {HTMLElement} */ (group.querySelector('.picker-rows'));
    const isFirst = group.dataset.filled !== 'yes';
    if (isFirst) box.replaceChildren();
    /** @type {HTMLElement[]} */
    const rows = [];
    const slices = new Slices();
    for (let from = 0; from < cells.length; from += this.#columns) {
      rows.push(this.#row(cells.slice(from, from + this.#columns), id));
      if (!slices.isOver) continue;
      // What is there already stays until all of the new is: nothing flickers.
      if (isFirst) box.append(...rows.splice(0));
      await slices.next();
      if (!group.isConnected || this.#turns.get(group) !== turn) return; // closed, or changed once more
    }
    const active = /** @type {HTMLElement | null} */ (group.querySelector('[tabindex="0"]'));
    const hadFocus = active !== null && active === document.activeElement;
    group.dataset.filled = 'yes';
    group.removeAttribute('aria-busy');
    if (isFirst) box.append(...rows);
    else box.replaceChildren(...rows);
    box.style.minBlockSize = '';
    group.hidden = cells.length === 0 && !section?.tools;
    if (active && !active.isConnected) {
      const again = this.cells(group).find((cell) => cell.dataset.id === active.dataset.id) ?? this.cells(group)[0] ?? this.cells()[0];
      this.rove(again);
      if (hadFocus) again?.focus({ preventScroll: true });
    } else if (!this.active) this.rove(this.cells()[0]);
    this.#filled();
  }

  /** @param {Cell[]} cells  @param {string} section */
  #row(cells, section) {
    return el('div', { class: 'picker-row', role: 'row' }, ...cells.map((cell) => this.#cell(cell, section)));
  }

  /** @param {Cell} cell  @param {string} section */
  #cell({ id, note }, section) {
    this.#cellIds += 1;
    const catalogue = this.#catalogue();
    const name = catalogue.nameOf(id);
    return el(
      'button',
      {
        type: 'button',
        role: 'gridcell',
        class: 'picker-cell',
        id: `picker-cell-${this.#cellIds}`,
        tabindex: -1,
        'aria-label': note ? `${name}, ${note}` : name,
        title: note ? `${name} (${note})` : null,
        'data-id': id,
        'data-note': note,
        draggable: section === 'favorites' ? 'true' : null,
      },
      emojiFace(id, catalogue),
    );
  }

  /** Says so. It is asked for again by whoever wants it, not by each scroll. @param {HTMLElement} group  @param {string} id */
  #fail(group, id) {
    this.#nearing.unobserve(group);
    group.removeAttribute('aria-busy');
    const again = el('button', { type: 'button', class: 'button small', onclick: () => void this.fill(id) }, words.trouble.again);
    group.querySelector('.picker-rows')?.replaceChildren(oneCell(el('p', { class: 'picker-note quiet', role: 'alert' }, texts.failed), again));
  }

  // -- where the focus is ----------------------------------------------------------------

  /** @param {HTMLElement} [within]  @returns {HTMLElement[]} */
  cells(within = this.element) {
    return /** @type {HTMLElement[]} */ ([...within.querySelectorAll('.picker-cell')]);
  }

  /** @param {string | undefined} id  @returns {HTMLElement | null} The first cell with that emoji. */
  cellOf(id) {
    return id ? this.element.querySelector(`.picker-cell[data-id="${CSS.escape(id)}"]`) : null;
  }

  /** @returns {HTMLElement | null} The one cell that Tab reaches. */
  get active() {
    return this.element.querySelector('.picker-cell[tabindex="0"]');
  }

  /** @param {HTMLElement | undefined} cell */
  rove(cell) {
    if (!cell) return;
    const before = this.active;
    if (before) before.tabIndex = -1;
    cell.tabIndex = 0;
  }

  /** @param {HTMLElement | undefined} cell */
  focus(cell) {
    if (!cell) return;
    this.rove(cell);
    cell.focus({ preventScroll: true });
    cell.scrollIntoView({ block: 'nearest' });
  }

  /**
   * Moves the focus as a key says.
   *
   * @param {string} key
   * @param {boolean} isFar  With Ctrl.
   * @returns {Promise<boolean>} Whether that was a key of the grid.
   */
  async walk(key, isFar) {
    const cell = /** @type {HTMLElement | null} */ (document.activeElement?.closest('.picker-cell'));
    const row = cell?.parentElement;
    if (!cell || !row) return false;
    const column = [...row.children].indexOf(cell);
    const at = (/** @type {Element | null | undefined} */ line, /** @type {number} */ index) => /** @type {HTMLElement | undefined} */ (line?.children[Math.min(index, line.children.length - 1)]);
    switch (key) {
      case 'ArrowRight':
        this.focus(/** @type {HTMLElement} */ (cell.nextElementSibling) ?? at(await this.#line(row, 1), 0));
        return true;
      case 'ArrowLeft':
        this.focus(/** @type {HTMLElement} */ (cell.previousElementSibling) ?? at(await this.#line(row, -1), Infinity));
        return true;
      case 'ArrowDown':
      case 'ArrowUp':
        this.focus(at(await this.#line(row, key === 'ArrowDown' ? 1 : -1), column));
        return true;
      case 'PageDown':
      case 'PageUp':
        this.focus(at(await this.#line(row, key === 'PageDown' ? 5 : -5), column) ?? cell);
        return true;
      case 'Home':
        this.focus(isFar ? this.cells()[0] : at(row, 0));
        return true;
      case 'End':
        if (isFar) for (const { id } of this.#sections.slice(-2)) await this.fill(id);
        this.focus(isFar ? this.cells().at(-1) : at(row, Infinity));
        return true;
      default:
        return false;
    }
  }

  /** The row so many further on, in the next sections too. @param {Element} row  @param {number} by  @returns {Promise<Element | null>} */
  async #line(row, by) {
    let line = row;
    const step = Math.sign(by);
    for (let count = 0; count !== by; count += step) {
      /** @type {Element | null} */
      const beside = step > 0 ? line.nextElementSibling : line.previousElementSibling;
      /** @type {Element | null} */
      const next = beside ?? (await this.#lineBeyond(line, step));
      if (!next) return count === 0 ? null : line;
      line = next;
    }
    return line;
  }

  /** @param {Element} row  @param {number} step  @returns {Promise<Element | null>} */
  async #lineBeyond(row, step) {
    let group = row.closest('.picker-section');
    for (;;) {
      group = (step > 0 ? group?.nextElementSibling : group?.previousElementSibling) ?? null;
      if (!group) return null;
      await this.fill(/** @type {HTMLElement} */ (group).dataset.section ?? '');
      const rows = group.querySelectorAll('.picker-row');
      if (rows.length) return rows[step > 0 ? 0 : rows.length - 1];
    }
  }
}

/** @param {...Node} children */
function oneCell(...children) {
  return el('div', { role: 'row' }, el('div', { role: 'gridcell' }, ...children));
}
