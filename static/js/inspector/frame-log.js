/**
 * The frames: the newest on top, at most `MOST` of them, to be filtered, paused and copied.
 *
 * @import {Seen} from './line.js'
 *
 * @typedef {Seen & {type: string, at: Date, row: HTMLElement}} Kept
 */
import { el, setShown, setText } from '../views/dom.js';
import { gistOf, pretty, typeOf } from './showing.js';
import { words } from './words.js';

export const MOST = 500;
const texts = words.frames;
const time = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hour12: false });
const SIGNS = { out: '↑', in: '↓', note: '·' };

export class FrameLog {
  /** @type {Kept[]} The oldest first. */
  #kept = [];
  /** @type {Array<Seen & {at: Date}>} */
  #held = [];
  #isPaused = false;
  #type = /** @type {HTMLSelectElement} */ (el('select', { class: 'input', id: 'frame-type', onchange: () => this.#filter() }, el('option', { value: '' }, texts.all)));
  #text = /** @type {HTMLInputElement} */ (el('input', { class: 'input', id: 'frame-text', type: 'search', autocomplete: 'off', oninput: () => this.#filter() }));
  #pause = el('button', { type: 'button', class: 'button small', 'aria-pressed': 'false', onclick: () => this.#turn() }, texts.pause);
  #count = el('p', { class: 'quiet numbers frame-count' });
  #list = el('ol', { class: 'frames', id: 'frames', 'aria-label': texts.list, tabindex: '-1' });
  #empty = el('p', { class: 'quiet frames-empty' }, texts.empty);
  #say;

  /** @param {(text: string) => void} say  Tells what cannot be seen. */
  constructor(say) {
    this.#say = say;
    this.element = el(
      'section',
      { class: 'card frames-card', 'aria-labelledby': 'frames-heading' },
      el('h2', { id: 'frames-heading' }, texts.heading),
      el(
        'div',
        { class: 'frame-tools' },
        el('div', { class: 'field' }, el('label', { class: 'field-label', for: 'frame-type' }, texts.filterType), this.#type),
        el('div', { class: 'field' }, el('label', { class: 'field-label', for: 'frame-text' }, texts.filterText), this.#text),
        el(
          'div',
          { class: 'actions' },
          this.#pause,
          el('button', { type: 'button', class: 'button small', onclick: () => this.#clear() }, texts.clear),
          el('button', { type: 'button', class: 'button small', onclick: () => void this.#copy(this.#shown()) }, texts.copy),
        ),
      ),
      this.#count,
      this.#list,
      this.#empty,
    );
    this.#tell();
  }

  /** @param {Seen} seen */
  add(seen) {
    const one = { ...seen, at: new Date() };
    if (!this.#isPaused) return this.#keep([one]);
    this.#held.push(one);
    if (this.#held.length > MOST) this.#held.shift();
    this.#tell();
  }

  /** @param {Array<Seen & {at: Date}>} seen */
  #keep(seen) {
    for (const one of seen) {
      const type = typeOf(one);
      const kept = { ...one, type, row: this.#row(one, type) };
      this.#kept.push(kept);
      this.#list.prepend(kept.row);
      this.#offer(type);
      setShown(kept.row, this.#fits(kept));
    }
    for (const old of this.#kept.splice(0, Math.max(0, this.#kept.length - MOST))) old.row.remove();
    this.#tell();
  }

  /** @param {Seen & {at: Date}} seen  @param {string} type */
  #row(seen, type) {
    const body = el('div', { class: 'frame-body' });
    const summary = el(
      'summary',
      {},
      el('span', { class: 'frame-way', 'aria-hidden': 'true' }, SIGNS[seen.way]),
      el('span', { class: 'unseen' }, `${texts[seen.way]} `),
      el('time', { class: 'numbers quiet' }, time.format(seen.at)),
      el('span', { class: 'frame-type' }, type),
      el('span', { class: 'frame-gist' }, gistOf(seen)),
    );
    const details = /** @type {HTMLDetailsElement} */ (el('details', {}, summary, body));
    // Only what is opened is written out: five hundred long frames would be slow.
    details.addEventListener('toggle', () => {
      if (!details.open || body.firstChild) return;
      const copy = el('button', { type: 'button', class: 'button small', onclick: () => void this.#copy([seen]) }, texts.copyOne);
      body.append(el('pre', { tabindex: '0' }, seen.frame ? pretty(withoutLabel(seen)) : seen.text), copy);
    });
    return el('li', { class: 'frame', 'data-way': seen.way, 'data-over': seen.over, 'data-type': type }, details);
  }

  /** @param {string} type */
  #offer(type) {
    if ([...this.#type.options].some(({ value }) => value === type)) return;
    const option = el('option', { value: type }, type);
    const after = [...this.#type.options].find(({ value }) => value > type) ?? null;
    this.#type.insertBefore(option, after);
  }

  /** @param {Kept} kept */
  #fits({ type, text }) {
    const wanted = this.#text.value.trim().toLowerCase();
    return (!this.#type.value || this.#type.value === type) && (!wanted || text.toLowerCase().includes(wanted));
  }

  #filter() {
    for (const kept of this.#kept) setShown(kept.row, this.#fits(kept));
    this.#tell();
  }

  #shown() {
    return this.#kept.filter(({ row }) => !row.hidden);
  }

  #turn() {
    this.#isPaused = !this.#isPaused;
    this.#pause.setAttribute('aria-pressed', String(this.#isPaused));
    if (!this.#isPaused) this.#keep(this.#held.splice(0));
    this.#tell();
  }

  #clear() {
    for (const { row } of this.#kept.splice(0)) row.remove();
    this.#tell();
  }

  /** @param {Array<{text: string}>} frames */
  async #copy(frames) {
    try {
      await navigator.clipboard.writeText(frames.map(({ text }) => text).join('\n'));
      this.#say(texts.copied(frames.length));
    } catch {
      this.#say(texts.notCopied);
    }
  }

  #tell() {
    const shown = this.#shown().length;
    setText(this.#count, texts.count(shown, this.#kept.length));
    setText(this.#empty, this.#kept.length ? texts.noMatch : texts.empty);
    setShown(this.#empty, shown === 0);
    setText(this.#pause, this.#isPaused ? texts.resume(this.#held.length) : texts.pause);
  }
}

/** What came over the line: the type of a request or an answer is a label of ours. @param {Seen} seen */
function withoutLabel({ frame, over }) {
  if (over === 'socket' || !frame) return frame;
  const { type: _label, ...rest } = frame;
  return rest;
}
