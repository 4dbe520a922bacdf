/**
 * Announcing: the ordinary change `announcement.publish`, by form.
 */
import { el, setText } from '../views/dom.js';
import { change, RefusedError } from './requests.js';
import { words } from './words.js';

const texts = words.announce;
const HOUR_MS = 60 * 60 * 1000;

/** @param {string} id  @param {Record<string, string>} choices */
function choice(id, choices) {
  return /** @type {HTMLSelectElement} */ (el('select', { class: 'input', id }, ...Object.entries(choices).map(([value, text]) => el('option', { value }, text))));
}

/** @param {string} label  @param {HTMLElement} input */
function labelled(label, input) {
  return el('div', { class: 'field' }, el('label', { class: 'field-label', for: input.id }, label), input);
}

export class Announce {
  #title = /** @type {HTMLInputElement} */ (el('input', { class: 'input', id: 'announce-title', maxlength: '120', required: true, autocomplete: 'off' }));
  #body = /** @type {HTMLTextAreaElement} */ (el('textarea', { class: 'input', id: 'announce-body', rows: '2', maxlength: '2000' }));
  #level = choice('announce-level', texts.levels);
  #audience = choice('announce-audience', texts.audiences);
  #hours = /** @type {HTMLInputElement} */ (el('input', { class: 'input', id: 'announce-hours', type: 'number', min: '1', max: '8760' }));
  #said = el('p', { class: 'said', role: 'status' });

  constructor() {
    this.element = el(
      'section',
      { class: 'card', 'aria-labelledby': 'announce-heading' },
      el('h2', { id: 'announce-heading' }, texts.heading),
      el('p', { class: 'quiet' }, texts.lead),
      el(
        'form',
        { class: 'stack tight', id: 'announce', onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), void this.#publish()) },
        labelled(texts.title, this.#title),
        labelled(texts.body, this.#body),
        el('div', { class: 'three' }, labelled(texts.level, this.#level), labelled(texts.audience, this.#audience), labelled(texts.hours, this.#hours)),
        el('div', { class: 'actions' }, el('button', { class: 'button primary' }, texts.submit)),
      ),
      this.#said,
    );
  }

  async #publish() {
    const hours = Number(this.#hours.value);
    try {
      await change('announcement.publish', {
        title: this.#title.value,
        level: this.#level.value,
        audience: this.#audience.value,
        ...(this.#body.value.trim() ? { body: this.#body.value } : {}),
        ...(hours > 0 ? { expires_at: new Date(Date.now() + hours * HOUR_MS).toISOString() } : {}),
      });
      this.#title.value = this.#body.value = this.#hours.value = '';
      setText(this.#said, texts.published);
    } catch (error) {
      // What was written stays, for another try.
      if (!(error instanceof RefusedError)) throw error;
      setText(this.#said, error.message);
    }
  }
}
