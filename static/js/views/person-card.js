/**
 * Somebody in the room, as a card: it touches the page only where something about them has changed.
 *
 * A room of a thousand is looked through at each drawing, so nothing here is looked for twice.
 *
 * @import {Change, Member} from '../client/types.js'
 * @import {Page} from './view.js'
 */
import { asWords, ranFor } from '../page/format.js';
import { words } from '../page/messages.js';
import { el, setAttribute, setShown, setText } from './dom.js';
import { emojiDisc, fillDisc } from './emoji-disc.js';
import { fillSent, reactionButton } from './reaction-button.js';

const texts = words.room;

export class PersonCard {
  #page;
  /** @type {Member | null} */
  #member = null;
  #isMe = false;
  /** @type {Change | null} */
  #sent = null;
  /** Until then the words for how long stay as they are (ms). */
  #timeHolds = 0;
  #disc = emojiDisc();
  #name = el('bdi');
  #tag = el('span', { class: 'tag', hidden: true }, texts.you);
  #time = el('span', { class: 'person-time numbers quiet' });
  #activity = el('p', { class: 'person-activity' });
  #sentMark = el('span', { class: 'sent-reaction', hidden: true });
  #react;

  /** @param {Page} page */
  constructor(page) {
    this.#page = page;
    this.#react = reactionButton(page, () => this.#member);
    const who = el('p', { class: 'person-name' }, this.#name, this.#tag, this.#time);
    this.element = el('div', { class: 'person entering', role: 'listitem', onanimationend: () => this.element.classList.remove('entering') }, this.#disc, el('div', { class: 'person-words' }, who, this.#activity), this.#sentMark, this.#react);
  }

  /** @param {Member} member  @param {boolean} isMe  @param {Change | null} sent  The latest reaction to them that still shows. */
  fill(member, isMe, sent) {
    if (sent !== this.#sent) {
      this.#sent = sent;
      fillSent(this.#sentMark, this.#page, sent);
    }
    const { user, session } = member;
    // A picture that was not known before may be now.
    const isPicture = session.emoji?.startsWith('c_');
    if (this.#member === member && this.#isMe === isMe) return void (isPicture && this.#fillDisc(member));
    this.#member = member;
    this.#isMe = isMe;
    this.#fillDisc(member);
    setAttribute(this.element, 'data-me', String(isMe));
    setAttribute(this.element, 'data-status', session.status);
    setText(this.#name, user.name);
    setText(this.#activity, session.activity);
    setShown(this.#tag, isMe);
    setShown(this.#react, !isMe);
    setAttribute(this.#react, 'aria-label', words.reactions.to(user.name));
    setAttribute(this.#react, 'title', words.reactions.to(user.name));
    this.#timeHolds = 0;
    this.tick(this.#page.client.now());
  }

  /** @param {number} now  Ms. */
  tick(now) {
    if (!this.#member || now < this.#timeHolds) return;
    const { session } = this.#member;
    const isPaused = session.status === 'paused';
    const seconds = ranFor(session, now);
    this.#timeHolds = isPaused ? Infinity : now + (60 - (seconds % 60)) * 1000;
    setText(this.#time, isPaused ? texts.paused : seconds < 60 ? texts.started : asWords(seconds));
  }

  /** @param {Member} member */
  #fillDisc({ user, session }) {
    fillDisc(this.#disc, { emoji: session.emoji, words: session.activity, hue: user.id });
  }
}
