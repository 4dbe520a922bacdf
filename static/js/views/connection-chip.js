/**
 * The chip: how the line is, always in words; what that means and what to do, on demand.
 */
import { words } from '../page/messages.js';
import { el, setAttribute, setShown, setText } from './dom.js';
import { View } from './view.js';

const { connection: texts } = words;
/** Of several things that do not work one is said: the first of these. */
const LACKING = /** @type {const} */ (['saving', 'prompt', 'uploads']);
/** What can be tried again by hand. */
const RETRYABLE = new Set(['offline', 'busy', 'limited', 'connecting', 'too_many', 'suspended']);

export class ConnectionChip extends View {
  #words = el('span', { class: 'chip-words' });
  #chip = el('button', { type: 'button', class: 'chip', popovertarget: 'connection-details' }, el('span', { class: 'chip-dot', 'aria-hidden': 'true' }), this.#words);
  #title = el('h2', { class: 'popover-title' });
  #body = el('p');
  #waiting = el('p', { class: 'quiet' });
  #next = el('p', { class: 'quiet numbers' });
  #action = el('button', { type: 'button', class: 'button', onclick: () => this.#act() });
  #said = '';

  build() {
    this.append(
      this.#chip,
      el('div', { id: 'connection-details', class: 'popover details', popover: 'auto', role: 'dialog', 'aria-label': texts.label('') }, this.#title, this.#body, this.#waiting, this.#next, this.#action),
    );
  }

  draw() {
    const { status, waiting } = this.client.connection;
    const text = this.#chipText();
    const said = this.#lacking() ?? texts[status];
    this.#chip.dataset.status = said === texts[status] ? status : 'limited';
    setAttribute(this.#chip, 'data-waiting', waiting || null);
    setText(this.#words, text);
    setAttribute(this.#chip, 'aria-label', texts.label(text));
    setText(this.#title, said.title);
    setText(this.#body, said.body);
    setText(this.#waiting, texts.waiting(waiting));
    setShown(this.#waiting, waiting > 0);
    setText(this.#action, status === 'refused' ? texts.reload : status === 'signed_out' ? texts.signIn : texts.tryNow);
    setShown(this.#action, RETRYABLE.has(status) || status === 'refused' || status === 'signed_out');
    this.#announce(said === texts[status] ? status : said.title, text);
    this.tick();
  }

  tick() {
    const seconds = this.#seconds();
    setShown(this.#next, seconds > 0);
    if (seconds > 0) setText(this.#next, texts.next(seconds));
    if (this.client.connection.status === 'busy') setText(this.#words, texts.busy.chip(seconds));
  }

  #chipText() {
    const { status, waiting } = this.client.connection;
    if (status === 'offline') return texts.offline.chip(waiting);
    if (status === 'busy') return texts.busy.chip(this.#seconds());
    return this.#lacking()?.chip ?? texts[status].chip;
  }

  /** The line is up, and something behind it is not. */
  #lacking() {
    const { status, lacks } = this.client.connection;
    const first = ['live', 'limited'].includes(status) && LACKING.find((one) => lacks.split(' ').includes(one));
    return first ? texts.lacking[first] : null;
  }

  #seconds() {
    const { retryAt } = this.client.connection;
    return retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  }

  /** A screen reader hears when the kind of line changes, not each second of it. @param {string} status  @param {string} text */
  #announce(status, text) {
    if (this.#said && this.#said !== status && status !== 'connecting') this.page.say(texts.label(text));
    this.#said = status;
  }

  #act() {
    const { status } = this.client.connection;
    if (status === 'refused') return location.reload();
    if (status === 'signed_out') return this.page.askIn();
    return this.client.retryNow();
  }
}

customElements.define('connection-chip', ConnectionChip);
