/**
 * The profile: a name and a few words. Saved only if nobody changed it meanwhile; the person's words stay either way.
 */
import { isFailed } from '../client/delivery.js';
import { checkArgs } from '../client/mutations.js';
import { words } from '../page/messages.js';
import { el, setAttribute, setShown, setText } from './dom.js';
import { sheet } from './sheet.js';
import { View } from './view.js';

const texts = words.profile;
const MAX_BIO = 500;

export class ProfileSheet extends View {
  #name = /** @type {HTMLInputElement} */ (el('input', { id: 'profile-name', class: 'input', type: 'text', maxlength: 60, autocomplete: 'nickname', 'aria-describedby': 'profile-name-note' }));
  #nameNote = el('p', { id: 'profile-name-note', class: 'quiet' }, texts.nameHint);
  #bio = /** @type {HTMLTextAreaElement} */ (el('textarea', { id: 'profile-bio', class: 'input', rows: 4, 'aria-describedby': 'profile-bio-note' }));
  #bioNote = el('p', { id: 'profile-bio-note', class: 'quiet numbers' });
  #elsewhere = el('p', { class: 'card notice', hidden: true }, texts.changedElsewhere);
  #save = /** @type {HTMLButtonElement} */ (el('button', { type: 'submit', class: 'button primary' }, texts.save));
  #form = el(
    'form',
    { class: 'stack', novalidate: true },
    this.#elsewhere,
    el('div', { class: 'field' }, el('label', { for: 'profile-name', class: 'field-label' }, texts.name), this.#name, this.#nameNote),
    el('div', { class: 'field' }, el('label', { for: 'profile-bio', class: 'field-label' }, texts.bio), this.#bio, this.#bioNote),
    el('div', { class: 'actions' }, this.#save),
  );
  #dialog = sheet(texts.heading, this.#form);
  /** The version that is being edited. */
  #version = 0;

  build() {
    this.append(this.#dialog);
    this.#form.addEventListener('input', () => this.draw());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** @param {{name?: string, bio?: string}} [draft]  Words that were refused, for another try. */
  open(draft = {}) {
    const { profile } = this.client.view;
    this.#version = profile?.version ?? 0;
    this.#name.value = draft.name ?? profile?.name ?? '';
    this.#bio.value = draft.bio ?? profile?.bio ?? '';
    this.draw();
    this.#dialog.showModal();
    this.#name.select();
  }

  draw() {
    const { profile } = this.client.view;
    const values = this.#changed();
    const fields = checkArgs('profile.update', values) ?? {};
    const left = MAX_BIO - [...this.#bio.value].length;
    this.#complain(this.#name, this.#nameNote, fields.name, texts.nameHint);
    this.#complain(this.#bio, this.#bioNote, fields.bio, texts.left(Math.max(0, left)));
    setShown(this.#elsewhere, (profile?.version ?? 0) > this.#version);
    this.#save.disabled = Object.keys(values).length === 0 || Boolean(fields.name || fields.bio);
  }

  #changed() {
    const { profile } = this.client.view;
    /** @type {{name?: string, bio?: string}} */
    const values = {};
    if (this.#name.value !== (profile?.name ?? '')) values.name = this.#name.value;
    if (this.#bio.value !== (profile?.bio ?? '')) values.bio = this.#bio.value;
    return values;
  }

  #submit() {
    const values = this.#changed();
    if (this.#save.disabled) return;
    // What stands on this sheet has replaced what was seen on it, or was confirmed to be meant.
    for (const old of this.client.changes) if (old.name === 'profile.update' && isFailed(old)) this.client.acknowledge(old.mid);
    this.client.mutate('profile.update', values, { ifVersion: this.client.view.profile?.version });
    this.#dialog.close();
  }

  /** @param {HTMLElement} input  @param {HTMLElement} note  @param {string[] | undefined} problems  @param {string} otherwise */
  #complain(input, note, problems, otherwise) {
    const code = /** @type {keyof typeof words.fields | undefined} */ (problems?.[0]);
    setAttribute(input, 'aria-invalid', code && 'true');
    setAttribute(note, 'class', code ? 'problem' : 'quiet numbers');
    setText(note, code ? words.fields[code] : otherwise);
  }
}

customElements.define('profile-sheet', ProfileSheet);
