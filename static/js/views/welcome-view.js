/**
 * The door: one sentence, one field, one button, and five seconds later one is in and idling. Who has an
 * account, or wants one that stays, goes by the sign-in services of this place.
 */
import { enterAsGuest, keepDraft, wanted } from '../page/door.js';
import { words } from '../page/messages.js';
import { el, setShown, setText } from './dom.js';
import { sessionForm } from './session-form.js';
import { View } from './view.js';
import { waysIn } from './ways-in.js';

const texts = words.welcome;
/** Longer than this nobody waits at the door. */
const SENT_WITHIN_MS = 5000;

export class WelcomeView extends View {
  #form = sessionForm({ label: texts.field, hint: texts.hint, submit: texts.start, ideas: true, done: (values) => void this.#enter(values) });
  #card = el('div', { class: 'card' }, this.#form.form);
  #lead = el('p', { class: 'quiet lead' }, texts.lead);
  #ended = el('p', { class: 'card notice', role: 'alert', hidden: true });
  #failed = el('p', { class: 'card notice wrong', role: 'alert', hidden: true });
  #or = el('p', { class: 'or quiet' }, el('span', {}, texts.or));
  #ways = waysIn({ label: texts.ways, next: wanted(), say: texts.with, leaving: () => keepDraft(this.#form.input.value.trim()) });
  #noWays = el('p', { class: 'card notice wrong', hidden: true }, texts.noWays);

  build() {
    const picture = el('div', { class: 'door-picture', 'aria-hidden': 'true' });
    this.append(
      el('div', { class: 'door' }, picture, el('h2', { class: 'door-title' }, texts.title), this.#lead, this.#ended, this.#failed, this.#noWays, this.#card, this.#or, this.#ways.list),
    );
  }

  draw() {
    const { ways } = this.page;
    this.#drawEnd();
    const hasWays = ways.providers.length > 0;
    setText(this.#lead, ways.guest ? texts.lead : texts.only);
    setShown(this.#lead, ways.guest || hasWays);
    setShown(this.#card, ways.guest);
    setShown(this.#or, ways.guest && hasWays);
    setShown(this.#ways.list, hasWays);
    setShown(this.#noWays, !ways.guest && !hasWays);
    this.#ways.draw(ways);
  }

  /** Somebody who was in is told why they are not any more. */
  #drawEnd() {
    const { waiting, status, code } = this.client.connection;
    const wasIn = status === 'signed_out' && this.client.user !== null;
    const end = code === 4004 ? texts.endedHere : texts.endedItself;
    setText(this.#ended, wasIn ? `${end}${waiting ? ` ${texts.returning(waiting)}` : ''}` : '');
    setShown(this.#ended, wasIn);
  }

  invite() {
    this.#form.input.focus({ preventScroll: true });
  }

  /** A sign-in did not work. @param {string} text */
  tell(text) {
    setText(this.#failed, text);
    setShown(this.#failed, true);
  }

  /** @param {{activity: string, emoji: string}} values */
  async #enter(values) {
    const button = /** @type {HTMLButtonElement} */ (this.#form.button);
    button.disabled = true;
    setText(button, texts.starting);
    const entrance = await enterAsGuest();
    button.disabled = false;
    setText(button, texts.start);
    if (!entrance.ok) return this.#form.complain(texts[entrance.why]);
    setShown(this.#failed, false);
    await this.client.enter(entrance.user.id);
    const { done } = this.client.mutate('session.start', values);
    this.#form.fill();
    if (wanted() !== '/') {
      // What takes longer is sent by the next visit: it is in the outbox.
      await Promise.race([done, new Promise((resolve) => setTimeout(resolve, SENT_WITHIN_MS))]);
      return location.assign(wanted());
    }
    return this.page.showTab('room');
  }
}

customElements.define('welcome-view', WelcomeView);
