/**
 * What is committed, as it happens: whose stream, which position, which kinds.
 *
 * @typedef {{user: number, seq: number, kinds: string[], instance: string}} Told
 */
import { el, setShown, setText } from '../views/dom.js';
import { words } from './words.js';

const texts = words.tail;
const MOST_ROWS = 100;
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });

export class Tail {
  #isOn = false;
  #count = 0;
  #shown = 0;
  #rows = el('tbody');
  #said = el('p', { class: 'quiet', role: 'status' }, texts.off);
  #turn;
  #table;

  /** @param {{follow: (isOn: boolean) => void, lookUp: (user: number) => void}} wishes */
  constructor({ follow, lookUp }) {
    this.lookUp = lookUp;
    this.#turn = el('button', { type: 'button', class: 'button small', id: 'tail-turn', onclick: () => (this.#set(!this.#isOn), follow(this.#isOn)) }, texts.start);
    const columns = [texts.at, texts.who, texts.seq, texts.kinds, texts.instance];
    this.#table = el(
      'div',
      { class: 'scroll tail-rows', tabindex: '0', role: 'region', 'aria-label': texts.heading, hidden: true },
      el('table', { id: 'tail' }, el('thead', {}, el('tr', {}, ...columns.map((name) => el('th', { scope: 'col' }, name)))), this.#rows),
    );
    this.element = el(
      'section',
      { class: 'card', 'aria-labelledby': 'tail-heading' },
      el('div', { class: 'card-top' }, el('h2', { id: 'tail-heading' }, texts.heading), this.#turn),
      el('p', { class: 'quiet' }, texts.lead),
      this.#said,
      this.#table,
    );
  }

  get isOn() {
    return this.#isOn;
  }

  /** @param {boolean} isOn */
  #set(isOn) {
    this.#isOn = isOn;
    setText(this.#turn, isOn ? texts.stop : texts.start);
    if (isOn) {
      this.#count = this.#shown = 0;
      this.#rows.replaceChildren();
      setText(this.#said, texts.quiet);
    }
  }

  /** @param {{count: number, entries: Told[]}} data */
  add({ count, entries }) {
    this.#count += count;
    this.#shown += entries.length;
    setShown(this.#table, true);
    const now = clock.format(new Date());
    for (const { user, seq, kinds, instance } of entries) {
      const who = user === 0 ? texts.everybody : el('button', { type: 'button', class: 'link', onclick: () => this.lookUp(user) }, String(user));
      this.#rows.prepend(el('tr', {}, el('td', { class: 'numbers' }, now), el('td', { class: 'numbers' }, who), el('td', { class: 'numbers' }, seq), el('td', {}, kinds.join(', ')), el('td', { class: 'quiet' }, instance)));
    }
    while (this.#rows.children.length > MOST_ROWS) this.#rows.lastElementChild?.remove();
    setText(this.#said, texts.counted(this.#shown, this.#count));
  }
}
