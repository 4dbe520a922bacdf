/**
 * The people in the room, newest first: a notice touches the cards of those whom it tells of, and few others.
 *
 * @import {Change, Member} from '../client/types.js'
 * @import {Page} from './view.js'
 *
 * @typedef {{key: string, element: HTMLElement, ids: number[], isInSight: boolean}} Part
 */
import { el, fadeAway, keep } from './dom.js';
import { divide } from './parts.js';
import { PersonCard } from './person-card.js';

/** People in one part of the list: whole rows, for up to six beside each other. */
const PART = 60;

export class PeopleList {
  #page;
  /** @type {Map<number, PersonCard>} By user. */
  #cards = new Map();
  /** @type {Part[]} */
  #parts = [];
  #made = 0;

  /** @param {() => Page} page  @param {string} label */
  constructor(page, label) {
    this.#page = page;
    this.element = el('div', { class: 'people', role: 'list', 'aria-label': label });
  }

  /** @param {Member[]} members  @param {number | undefined} me  @param {Map<string, Change>} sent  The latest reactions, by session. */
  draw(members, me, sent) {
    const focused = /** @type {HTMLElement | null} */ (this.element.contains(document.activeElement) ? document.activeElement : null);
    const places = new Map(members.map(({ user }, place) => [user.id, place]));
    for (const id of this.#cards.keys()) if (!places.has(id)) this.#cards.delete(id);
    for (const member of members) this.#cardOf(member.user.id).fill(member, member.user.id === me, sent.get(member.session.id) ?? null);
    this.#arrange([...places.keys()], places);
    // Who goes over into another part of the list is taken out for a moment.
    if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }

  /** @param {number} now  Ms. */
  tick(now) {
    for (const card of this.#cards.values()) card.tick(now);
  }

  /** @param {number[]} ids  @param {Map<number, number>} places */
  #arrange(ids, places) {
    const there = this.#parts.map((part) => ({ isInSight: part.isInSight, places: part.ids.flatMap((id) => places.get(id) ?? []) }));
    const runs = divide(ids.length, there, PART).map(({ part, begin, end }) => ({ part: part === null ? this.#newPart() : this.#parts[part], ids: ids.slice(begin, end) }));
    this.#parts = runs.map(({ part }) => part);
    keep(this.element, runs, {
      key: ({ part }) => part.key,
      make: ({ part }) => part.element,
      fill: (_element, run) => this.#fill(run.part, run.ids, places),
    });
  }

  /** @param {Part} part  @param {number[]} ids  @param {Map<number, number>} places */
  #fill(part, ids, places) {
    if (ids.length === part.ids.length && ids.every((id, index) => id === part.ids[index])) return;
    part.ids = ids;
    keep(part.element, ids, {
      key: String,
      make: (id) => this.#cardOf(id).element,
      fill: () => undefined,
      leave: (element) => leave(element, places.has(Number(element.dataset.key)), part.isInSight),
    });
  }

  /** @returns {Part} In sight until the browser says that it is not. */
  #newPart() {
    /** @type {Part} */
    const part = {
      key: String((this.#made += 1)),
      element: el('div', {
        class: 'people-part',
        role: 'none',
        oncontentvisibilityautostatechange: (/** @type {ContentVisibilityAutoStateChangeEvent} */ { skipped }) => {
          part.isInSight = !skipped;
          if (part.isInSight) this.#page().draw();
        },
      }),
      ids: [],
      isInSight: true,
    };
    return part;
  }

  /** @param {number} id  Of a user. */
  #cardOf(id) {
    const known = this.#cards.get(id);
    if (known) return known;
    const card = new PersonCard(this.#page());
    this.#cards.set(id, card);
    return card;
  }
}

/** @param {HTMLElement} element  @param {boolean} isHere  Maybe in another part of the list.  @param {boolean} isInSight */
function leave(element, isHere, isInSight) {
  if (isHere) delete element.dataset.leaving;
  // Out of sight nothing moves, and to ask for it would have all of the part laid out.
  if (isHere || !isInSight) return element.remove();
  element.classList.add('leaving');
  return fadeAway(element);
}
