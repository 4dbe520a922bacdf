/**
 * The room: who else idles now, as small cards that drift in and out.
 */
import { words } from '../page/messages.js';
import { el, setShown, setText } from './dom.js';
import { PeopleList } from './people-list.js';
import { SentReactions } from './reaction-button.js';
import { View } from './view.js';

const texts = words.room;
/** Skeletons shown sooner would only flicker. */
const SKELETON_AFTER_MS = 200;
const SKELETONS = 6;

export class TheRoom extends View {
  #count = el('p', { class: 'quiet numbers count', role: 'status' });
  #people = new PeopleList(() => this.page, texts.heading);
  #begin = el('button', { type: 'button', class: 'button primary', onclick: () => this.page.showTab('begin') }, texts.begin);
  #emptyHint = el('p', { class: 'quiet' });
  #emptyTitle = el('p', { class: 'empty-title' });
  #empty = el('div', { class: 'empty' }, el('div', { class: 'empty-picture', 'aria-hidden': 'true' }), this.#emptyTitle, this.#emptyHint, this.#begin);
  #more = el('button', { type: 'button', class: 'button', onclick: () => void this.page.lobby.more() });
  #skeleton = el('div', { class: 'people-part skeletons', 'aria-hidden': 'true' }, ...Array.from({ length: SKELETONS }, () => el('div', { class: 'person skeleton' })));
  #stale = el('p', { class: 'quiet stale' });
  #isLate = false;
  #sent = new SentReactions();

  build() {
    this.#sent.follow(this.page);
    this.append(el('header', { class: 'section-head' }, el('h2', { id: 'room-heading' }, texts.heading), this.#count, this.#stale), this.#skeleton, this.#people.element, this.#more, this.#empty);
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
    this.#people.draw(members, me, this.#sent.all());
    const isAway = ['offline', 'busy'].includes(client.connection.status);
    setShown(this.#skeleton, !isKnown && this.#isLate && !isAway);
    setShown(this.#people.element, members.length > 0);
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

  tick() {
    this.#people.tick(this.client.now());
  }
}

customElements.define('the-room', TheRoom);
