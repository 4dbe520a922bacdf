/**
 * Emoji that people bring: one's own with what became of each, and, for who keeps order, those that wait.
 *
 * @import {CustomEmoji} from '../client/types.js'
 * @import {Upload} from '../page/uploads.js'
 */
import { isPending } from '../client/delivery.js';
import { words } from '../page/messages.js';
import { ask } from '../page/requests.js';
import { Uploads } from '../page/uploads.js';
import { el, keep, setAttribute, setShown, setText } from './dom.js';
import { sheet } from './sheet.js';
import { View } from './view.js';

const texts = words.brought;

export class BroughtSheet extends View {
  #uploads = new Uploads(() => this.page.draw());
  /** @type {CustomEmoji[] | null} Waiting for somebody who keeps order. */
  #waiting = null;
  #hasFailed = false;
  #file = /** @type {HTMLInputElement} */ (el('input', { id: 'brought-file', class: 'input', type: 'file', accept: 'image/png,image/gif,image/webp,image/jpeg', 'aria-describedby': 'brought-problem brought-hint' }));
  #name = /** @type {HTMLInputElement} */ (el('input', { id: 'brought-name', class: 'input', type: 'text', maxlength: 40, autocomplete: 'off', 'aria-describedby': 'brought-problem' }));
  #problem = el('p', { id: 'brought-problem', class: 'problem', role: 'alert', hidden: true });
  #form = el(
    'form',
    { class: 'stack brought-form', novalidate: true },
    el('div', { class: 'field' }, el('label', { for: 'brought-file', class: 'field-label' }, texts.picture), this.#file, el('p', { id: 'brought-hint', class: 'quiet' }, texts.pictureHint)),
    el('div', { class: 'field' }, el('label', { for: 'brought-name', class: 'field-label' }, texts.name), this.#name),
    this.#problem,
    el('div', { class: 'actions' }, el('button', { type: 'submit', class: 'button primary' }, texts.send)),
  );
  #own = el('ul', { class: 'rows', 'aria-label': texts.own });
  #none = el('p', { class: 'quiet' }, texts.none);
  #list = el('ul', { class: 'rows', 'aria-label': texts.review });
  #note = el('p', { class: 'quiet', role: 'status' });
  #review = el('section', { class: 'stack', 'aria-labelledby': 'review-heading', hidden: true }, el('h3', { id: 'review-heading' }, texts.review), this.#note, this.#list);
  #dialog = sheet(texts.heading, el('div', { class: 'stack' }, this.#form, this.#own, this.#none, this.#review));

  build() {
    this.append(this.#dialog);
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#file.addEventListener('change', () => {
      const file = this.#file.files?.[0];
      this.#complain(file ? Uploads.problemOf(file) : null);
      if (file && !this.#name.value) this.#name.value = file.name.replace(/\.\w+$/, '').replace(/[_-]+/g, ' ').slice(0, 40);
    });
  }

  open() {
    this.#complain(null);
    if (this.#mayReview) void this.#fetch();
    this.draw();
    this.#dialog.showModal();
  }

  get #mayReview() {
    return Boolean(this.client.view.profile?.roles?.some((role) => role === 'moderator' || role === 'admin'));
  }

  draw() {
    if (!this.#dialog.open && this.#uploads.all.length === 0) return;
    const own = Object.values(this.client.view.custom_emojis ?? {}).map((emoji) => ({ key: emoji.id, emoji, upload: /** @type {Upload | null} */ (null) }));
    const coming = this.#uploads.all.map((upload) => ({ key: upload.key, emoji: /** @type {CustomEmoji | null} */ (null), upload }));
    const rows = [...coming, ...own.reverse()];
    keep(this.#own, rows, { key: ({ key }) => key, make: ({ emoji, upload }) => this.#row(emoji, upload), fill: (row, { emoji, upload }) => this.#fill(row, emoji, upload) });
    setShown(this.#none, rows.length === 0);
    setShown(this.#review, this.#mayReview);
    this.#drawReview();
  }

  /** @param {CustomEmoji | null} emoji  @param {Upload | null} upload */
  #row(emoji, upload) {
    const name = emoji?.name ?? upload?.name ?? '';
    const again = upload && el('button', { type: 'button', class: 'button small', 'data-do': 'again', onclick: () => void this.#uploads.again(upload) }, words.trouble.again);
    const remove = el('button', { type: 'button', class: 'button small', onclick: () => this.#remove(emoji, upload) }, texts.remove, el('span', { class: 'unseen' }, ` ${name}`));
    return el(
      'li',
      { class: 'row' },
      el('img', { class: 'brought-picture', src: emoji?.url ?? upload?.url, alt: '' }),
      el('div', { class: 'row-words' }, el('p', { class: 'row-title' }, el('bdi', {}, name)), el('p', { class: 'small-words row-note' })),
      again,
      remove,
    );
  }

  /** @param {HTMLElement} row  @param {CustomEmoji | null} emoji  @param {Upload | null} upload */
  #fill(row, emoji, upload) {
    const note = /** @type {HTMLElement} */ (row.querySelector('.row-note'));
    const isOnItsWay = upload?.status === 'sent';
    setAttribute(row, 'data-delivery', isOnItsWay && 'sent');
    setAttribute(row, 'data-status', emoji?.status ?? upload?.status);
    setText(note, emoji ? texts.states[emoji.status] : isOnItsWay ? texts.sending : (upload?.reason ?? ''));
    for (const button of row.querySelectorAll('button')) button.hidden = isOnItsWay || (button.dataset.do === 'again' && upload?.status !== 'refused');
  }

  #drawReview() {
    const answered = new Map(this.client.changes.filter((change) => change.name === 'custom_emoji.review').map((change) => [change.args.id, change]));
    const rows = (this.#waiting ?? []).filter(({ id }) => !(answered.get(id) && isPending(/** @type {any} */ (answered.get(id)))));
    keep(this.#list, rows, { key: ({ id }) => id, make: (emoji) => this.#reviewRow(emoji), fill: () => undefined });
    setText(this.#note, this.#hasFailed ? texts.reviewFailed : this.#waiting === null ? texts.reviewLoading : rows.length ? '' : texts.reviewNone);
    setShown(this.#note, rows.length === 0);
  }

  /** @param {CustomEmoji} emoji */
  #reviewRow(emoji) {
    /** @param {string} text  @param {boolean} approve */
    const button = (text, approve) =>
      el('button', { type: 'button', class: approve ? 'button small primary' : 'button small', onclick: () => void this.#decide(emoji, approve) }, text, el('span', { class: 'unseen' }, ` ${emoji.name}`));
    return el(
      'li',
      { class: 'row' },
      el('img', { class: 'brought-picture', src: emoji.url, alt: '' }),
      el('div', { class: 'row-words' }, el('p', { class: 'row-title' }, el('bdi', {}, emoji.name)), el('p', { class: 'small-words row-note quiet' }, texts.states.pending)),
      el('div', { class: 'actions' }, button(texts.approve, true), button(texts.decline, false)),
    );
  }

  /** Gone from the list at once; back in it when the server says no. @param {CustomEmoji} emoji  @param {boolean} approve */
  async #decide({ id }, approve) {
    const { done } = this.client.mutate('custom_emoji.review', { id, approve });
    this.draw();
    const { delivery } = await done;
    if (delivery === 'confirmed') this.#waiting = (this.#waiting ?? []).filter((emoji) => emoji.id !== id);
    this.page.catalogue.forgetCustom();
    this.draw();
  }

  async #fetch() {
    const answer = await ask('/api/emojis/custom?status=pending&limit=50');
    this.#hasFailed = !answer.ok;
    if (answer.ok) this.#waiting = answer.body.custom_emojis;
    this.page.draw();
  }

  #send() {
    const file = this.#file.files?.[0];
    const name = this.#name.value.trim();
    const problem = Uploads.problemOf(file) ?? ([...name].length < 2 ? texts.problems.name : null);
    this.#complain(problem);
    if (problem || !file) return void (Uploads.problemOf(file) ? this.#file : this.#name).focus();
    void this.#uploads.send(name, file);
    /** @type {HTMLFormElement} */ (this.#form).reset();
  }

  /** @param {CustomEmoji | null} emoji  @param {Upload | null} upload */
  #remove(emoji, upload) {
    if (emoji) this.client.mutate('custom_emoji.delete', { id: emoji.id });
    else if (upload) this.#uploads.forget(upload.key);
  }

  /** @param {string | null} text */
  #complain(text) {
    setText(this.#problem, text ?? '');
    setShown(this.#problem, text !== null);
  }
}

customElements.define('brought-sheet', BroughtSheet);
