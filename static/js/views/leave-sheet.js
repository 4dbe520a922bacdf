/**
 * Leaving: somebody who would lose something is asked first, and offered to keep it.
 */
import { leaveEverywhere } from '../page/door.js';
import { words } from '../page/messages.js';
import { roleOf } from '../page/roles.js';
import { el, setShown, setText } from './dom.js';
import { sheet } from './sheet.js';
import { View } from './view.js';

const texts = words.menu;

export class LeaveSheet extends View {
  #everywhere = el('p', {}, texts.everywhere);
  #guest = el('p', {}, texts.leaveGuest);
  #waiting = el('p');
  #problem = el('p', { class: 'problem', role: 'alert', hidden: true });
  #keep = el('button', { type: 'button', class: 'button primary', onclick: () => (this.#dialog.close(), this.page.open('account')) }, texts.keepGuest);
  #leave = el('button', { type: 'button', class: 'button primary', onclick: () => void this.#go() });
  #stay = el('button', { type: 'button', class: 'button', onclick: () => this.#dialog.close() }, texts.stay);
  #dialog = sheet(texts.signOut, el('div', { class: 'stack' }, this.#everywhere, this.#guest, this.#waiting, this.#problem, el('div', { class: 'actions' }, this.#keep, this.#leave, this.#stay)));
  #isEverywhere = false;

  build() {
    this.append(this.#dialog);
  }

  /** @param {{everywhere?: boolean}} [what] */
  ask({ everywhere = false } = {}) {
    const { waiting } = this.client.connection;
    const isGuest = roleOf(this.client.view.profile?.roles) === 'guest';
    if (!everywhere && !waiting && !isGuest) return void this.page.signOut();
    const canKeep = isGuest && this.page.ways.providers.length > 0;
    this.#isEverywhere = everywhere;
    setShown(this.#everywhere, everywhere);
    setShown(this.#guest, isGuest);
    setShown(this.#waiting, waiting > 0);
    setText(this.#waiting, texts.leaveWaiting(waiting));
    setShown(this.#problem, false);
    setShown(this.#keep, canKeep);
    this.#leave.classList.toggle('primary', !canKeep);
    setText(this.#leave, everywhere ? words.devices.everywhere : texts.leave);
    this.#dialog.showModal();
  }

  async #go() {
    const button = /** @type {HTMLButtonElement} */ (this.#leave);
    button.disabled = true;
    const isDone = !this.#isEverywhere || (await leaveEverywhere());
    button.disabled = false;
    setText(this.#problem, texts.notEverywhere);
    setShown(this.#problem, !isDone);
    if (!isDone) return;
    this.#dialog.close();
    await this.page.signOut();
  }
}

customElements.define('leave-sheet', LeaveSheet);
