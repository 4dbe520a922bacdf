/**
 * Preferences: each holds at once, everywhere, and shows so before the server has said yes.
 */
import { words } from '../page/messages.js';
import { el } from './dom.js';
import { pushRow } from './push-row.js';
import { sheet } from './sheet.js';
import { View } from './view.js';

const texts = words.preferences;

export class PreferencesSheet extends View {
  #theme = this.#radios('theme', texts.theme, texts.themes);
  #density = this.#radios('density', texts.density, texts.densities);
  #still = /** @type {HTMLInputElement} */ (el('input', { type: 'checkbox', id: 'preference-still', role: 'switch', class: 'switch', 'aria-describedby': 'preference-still-hint' }));
  #push = pushRow(() => this.client, () => this.page.draw());
  #dialog = sheet(
    texts.heading,
    el(
      'div',
      { class: 'stack' },
      this.#theme,
      this.#density,
      el(
        'div',
        { class: 'switch-row' },
        el('div', {}, el('label', { for: 'preference-still', class: 'field-label' }, texts.motion), el('p', { id: 'preference-still-hint', class: 'quiet' }, texts.motionHint)),
        this.#still,
      ),
      el('p', { class: 'quiet small-words' }, texts.everywhere),
      this.#push.row,
    ),
  );

  build() {
    this.append(this.#dialog);
    this.#still.addEventListener('change', () => this.#set({ reduced_motion: this.#still.checked }));
  }

  open() {
    this.#push.arrive();
    this.draw();
    this.#dialog.showModal();
  }

  draw() {
    const { preferences = {} } = this.client.view;
    choose(this.#theme, preferences.theme ?? 'system');
    choose(this.#density, preferences.density ?? 'cozy');
    this.#still.checked = Boolean(preferences.reduced_motion);
    this.#push.draw();
  }

  /** @param {Record<string, string | boolean>} values */
  #set(values) {
    this.client.mutate('preferences.set', { values });
  }

  /** @param {string} name  @param {string} label  @param {Record<string, string>} choices */
  #radios(name, label, choices) {
    const options = Object.entries(choices).map(([value, text]) =>
      el('label', { class: 'segment' }, el('input', { type: 'radio', name, value, onchange: () => this.#set({ [name]: value }) }), el('span', {}, text)),
    );
    return el('fieldset', { class: 'segments' }, el('legend', { class: 'field-label' }, label), el('div', { class: 'segment-row' }, ...options));
  }
}

/** @param {HTMLElement} group  @param {string} value */
function choose(group, value) {
  for (const input of group.querySelectorAll('input')) input.checked = input.value === value;
}

customElements.define('preferences-sheet', PreferencesSheet);
