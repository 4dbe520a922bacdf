/**
 * The chosen emoji as a button that opens the picker beside it.
 *
 * @import {Catalogue} from '../page/catalogue.js'
 */
import { SOME_EMOJI } from '../page/emoji.js';
import { words } from '../page/messages.js';
import { el, setAttribute } from './dom.js';
import { emojiFace } from './emoji-face.js';

/**
 * @typedef {object} Wish  What the event `emoji-wanted` asks of the picker.
 * @property {HTMLElement} anchor  Beside what it opens, and what gets the focus back.
 * @property {string} title
 * @property {(id: string) => void} choose
 */

/** Asks the page for the picker. @param {Wish} wish */
export function wantEmoji(wish) {
  document.dispatchEvent(new CustomEvent('emoji-wanted', { detail: wish }));
}

export class EmojiField extends HTMLElement {
  /** @type {Catalogue | null} */
  static catalogue = null;
  #value = SOME_EMOJI[0][0];
  #shown = '';
  #button = el('button', { type: 'button', class: 'emoji-button', 'aria-haspopup': 'dialog', onclick: () => this.#open() });

  connectedCallback() {
    if (!this.#button.isConnected) this.append(this.#button);
    this.draw();
  }

  get value() {
    return this.#value;
  }

  /** @param {string} value */
  set value(value) {
    this.#value = value;
    this.draw();
  }

  draw() {
    const { catalogue } = EmojiField;
    if (!catalogue) return;
    const name = catalogue.nameOf(this.#value);
    setAttribute(this.#button, 'aria-label', words.emoji.choose(name));
    const looks = `${this.#value} ${catalogue.urlOf(this.#value) ?? ''}`;
    if (looks === this.#shown) return;
    this.#shown = looks;
    this.#button.replaceChildren(emojiFace(this.#value, catalogue));
  }

  #open() {
    wantEmoji({
      anchor: this.#button,
      title: words.emoji.title,
      choose: (id) => {
        this.value = id;
        this.dispatchEvent(new Event('change', { bubbles: true }));
      },
    });
  }
}

customElements.define('emoji-field', EmojiField);
