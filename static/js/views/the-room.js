/**
 * The room: who else idles now, as small cards that drift in and out.
 *
 * @import {Member} from '../client/types.js'
 */
import { words } from '../page/messages.js';
import { el, fadeAway, keep, setShown, setText } from './dom.js';
import { PersonCard } from './person-card.js';
import { SentReactions } from './reaction-button.js';
import { View } from './view.js';

const texts = words.room;
/** Skeletons shown sooner would only flicker. */
const SKELETON_AFTER_MS = 200;
const SKELETONS = 6;
/** People in one part of the list: whole rows, for up to six beside each other. A part out of sight costs nothing. */
const PART = 60;

export class TheRoom extends View {
  #count = el('p', { class: 'quiet numbers count', role: 'status' });
  #list = el('div', { class: 'people', role: 'list', 'aria-label': texts.heading });
  #begin = el('button', { type: 'button', class: 'button primary', onclick: () => this.page.showTab('begin') }, texts.begin);
  #emptyHint = el('p', { class: 'quiet' });
  #emptyTitle = el('p', { class: 'empty-title' });
  #empty = el('div', { class: 'empty' }, el('div', { class: 'empty-picture', 'aria-hidden': 'true' }), this.#emptyTitle, this.#emptyHint, this.#begin);
  #more = el('button', { type: 'button', class: 'button', onclick: () => void this.page.lobby.more() });
  #skeleton = el('div', { class: 'people-part skeletons', 'aria-hidden': 'true' }, ...Array.from({ length: SKELETONS }, () => el('div', { class: 'person skeleton' })));
  #stale = el('p', { class: 'quiet stale' });
  #isLate = false;
  #sent = new SentReactions();
  /** @type {Map<number, PersonCard>} By user. */
  #cards = new Map();

  build() {
    this.#sent.follow(this.page);
    this.append(el('header', { class: 'section-head' }, el('h2', { id: 'room-heading' }, texts.heading), this.#count, this.#stale), this.#skeleton, this.#list, this.#more, this.#empty);
    setTimeout(() => {
      this.#isLate = true;
      this.draw();
    }, SKELETON_AFTER_MS);
  }

  draw() {
    const { lobby, client } = this.page;
    const { members, isKnown, hidden } = lobby;
    const { session } = client.view;
    const me = client.view.profile?.id;
    const others = members.filter(({ user }) => user.id !== me).length;
    this.#drawPeople(members, me);
    const isAway = ['offline', 'busy'].includes(client.connection.status);
    setShown(this.#skeleton, !isKnown && this.#isLate && !isAway);
    setShown(this.#list, members.length > 0);
    setText(this.#more, texts.more(hidden));
    setShown(this.#more, hidden > 0);
    setShown(this.#empty, isKnown && others === 0 && hidden === 0);
    setText(this.#emptyTitle, session ? texts.onlyYou : texts.empty);
    setText(this.#emptyHint, session ? '' : texts.emptyHint);
    setShown(this.#emptyHint, !session);
    setShown(this.#begin, !session);
    setText(this.#count, isKnown ? texts.count(others + hidden + (session ? 1 : 0)) : texts.loading);
    setShown(this.#count, !isAway && (isKnown || this.#isLate));
    setText(this.#stale, isKnown ? texts.stale : texts.unseen);
    setShown(this.#stale, isAway);
  }

  /** @param {Member[]} members  @param {number | undefined} me */
  #drawPeople(members, me) {
    const sent = this.#sent.all();
    const focused = /** @type {HTMLElement | null} */ (this.#list.contains(document.activeElement) ? document.activeElement : null);
    const here = new Set(members.map(({ user }) => user.id));
    const parts = Array.from({ length: Math.ceil(members.length / PART) }, (_, index) => ({ index, people: members.slice(index * PART, (index + 1) * PART) }));
    keep(this.#list, parts, {
      key: ({ index }) => String(index),
      make: () => el('div', { class: 'people-part', role: 'none' }),
      fill: (part, { people }) =>
        keep(part, people, {
          key: ({ user }) => String(user.id),
          make: ({ user }) => this.#cardOf(user.id).element,
          fill: (_element, member) => this.#cardOf(member.user.id).fill(member, member.user.id === me, sent.get(member.session.id) ?? null),
          leave: (element) => this.#leave(element, here),
        }),
    });
    for (const id of this.#cards.keys()) if (!here.has(id)) this.#cards.delete(id);
    // Who goes over into another part of the list is taken out for a moment.
    if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }

  /** @param {number} id  Of a user. */
  #cardOf(id) {
    const known = this.#cards.get(id);
    if (known) return known;
    const card = new PersonCard(this.page);
    this.#cards.set(id, card);
    return card;
  }

  /** @param {HTMLElement} element  @param {Set<number>} here  Who stays, maybe in another part of the list. */
  #leave(element, here) {
    if (here.has(Number(element.dataset.key))) {
      delete element.dataset.leaving;
      return element.remove();
    }
    element.classList.add('leaving');
    return fadeAway(element);
  }

  tick() {
    const now = this.client.now();
    for (const card of this.#cards.values()) card.tick(now);
  }
}

customElements.define('the-room', TheRoom);
