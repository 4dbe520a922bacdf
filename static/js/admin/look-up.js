/**
 * Looking somebody up: by id or by the beginning of a name, then all that hangs on them.
 *
 * @typedef {{id: number, name: string, roles: string[]}} Found
 */
import { el, setShown, setText } from '../views/dom.js';
import { Person } from './person.js';
import { ask, RefusedError } from './requests.js';
import { words } from './words.js';

const texts = words.lookUp;

export class LookUp {
  #query = /** @type {HTMLInputElement} */ (el('input', { class: 'input', id: 'look-up', required: true, maxlength: '40', autocomplete: 'off', spellcheck: 'false' }));
  #said = el('p', { class: 'quiet', role: 'status' });
  #found = el('ul', { class: 'found' });
  #person = new Person();

  constructor() {
    this.element = el(
      'section',
      { class: 'card', 'aria-labelledby': 'look-up-heading' },
      el('h2', { id: 'look-up-heading' }, texts.heading),
      el('p', { class: 'quiet' }, texts.lead),
      el(
        'form',
        { class: 'look-up', role: 'search', onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), void this.#search()) },
        el('div', { class: 'field' }, el('label', { class: 'field-label', for: 'look-up' }, texts.label), this.#query),
        el('button', { class: 'button primary' }, texts.submit),
      ),
      this.#said,
      this.#found,
      this.#person.element,
    );
  }

  /** Shows that person. @param {number} id */
  show(id) {
    this.#query.value = String(id);
    this.#found.replaceChildren();
    setText(this.#said, '');
    this.element.scrollIntoView({ block: 'nearest' });
    void this.#person.show(id);
  }

  async #search() {
    this.#found.replaceChildren();
    setShown(this.#person.element, false);
    try {
      /** @type {{users: Found[]}} */
      const { users } = await ask(`/api/admin/users?q=${encodeURIComponent(this.#query.value)}`);
      setText(this.#said, users.length ? texts.found(users.length) : texts.nobody);
      if (users.length === 1) void this.#person.show(users[0].id);
      else {
        this.#found.append(
          ...users.map((user) =>
            el('li', {}, el('button', { type: 'button', class: 'link', onclick: () => this.#person.show(user.id) }, user.name), el('span', { class: 'quiet numbers' }, ` ${user.id}, ${user.roles.join(', ')}`)),
          ),
        );
      }
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      setText(this.#said, error.message);
    }
  }
}
