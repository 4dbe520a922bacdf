/**
 * Who is in the room: the newest by notice, the rest by the page when asked for.
 *
 * A notice holds the count and the newest members; older ones were fetched page by page,
 * and stay until a notice says that they left.
 *
 * @import {Json, Member} from '../client/types.js'
 * @import {IdlingClient} from '../client/client.js'
 */
import { ask } from './requests.js';

export class Lobby {
  #client;
  #changed;
  /** @type {Member[]} */
  #newest = [];
  /** @type {Map<number, Member>} */
  #older = new Map();
  /** @type {string | null} */
  #next = null;
  #isFetching = false;
  /** @type {Member[] | null} Those that were told of, once they have been put in order. */
  #listed = null;
  /** @type {Member | null} */
  #me = null;
  count = 0;
  isKnown = false;

  /**
   * @param {IdlingClient} client
   * @param {() => void} changed
   */
  constructor(client, changed) {
    this.#client = client;
    this.#changed = changed;
    client.subscribe('lobby', (data) => this.#hear(data));
  }

  /** @returns {Member[]} Newest first; this person as they see themselves. */
  get members() {
    this.#listed ??= this.#list();
    const { profile, session } = this.#client.view;
    if (!profile || !this.isKnown) return this.#listed;
    const others = this.#listed.filter(({ user }) => user.id !== profile.id);
    if (!session) return others;
    // One's own card follows the own view, pending changes included, and stands first.
    if (this.#me?.session !== session || this.#me.user.name !== profile.name) this.#me = { user: { id: profile.id, name: profile.name }, session };
    return [this.#me, ...others];
  }

  /** @returns {number} How many are here and not listed. */
  get hidden() {
    this.#listed ??= this.#list();
    return Math.max(0, this.count - this.#listed.length);
  }

  /** Everybody once, in an order that a notice does not upset. */
  #list() {
    const all = new Map([...this.#newest, ...this.#older.values()].map((member) => [member.user.id, member]));
    return [...all.values()].sort((one, other) => (one.session.started_at < other.session.started_at ? 1 : one.session.started_at > other.session.started_at ? -1 : other.user.id - one.user.id));
  }

  /** Fetches one page more of those who came earlier. */
  async more() {
    if (this.#isFetching) return;
    this.#isFetching = true;
    try {
      const after = this.#next ? `?after=${encodeURIComponent(this.#next)}` : '';
      const answer = await ask(`/api/lobby${after}`);
      if (!answer.ok) return; // the button stays, and so does who is listed
      const { members, next } = answer.body;
      for (const member of members) this.#older.set(member.user.id, member);
      this.#listed = null;
      this.#next = next ?? null;
      if (!after && next && this.hidden > 0) {
        this.#isFetching = false;
        await this.more(); // the first page is what the notice already showed
      }
    } finally {
      this.#isFetching = false;
      this.#changed();
    }
  }

  /** @param {Json} data */
  #hear({ count, members = [], left = [] }) {
    const newest = new Set(members.map((/** @type {Member} */ { user }) => user.id));
    for (const member of this.#newest) if (!newest.has(member.user.id)) this.#older.set(member.user.id, member);
    for (const id of [...left, ...newest]) this.#older.delete(id);
    const known = new Map(this.#newest.map((member) => [member.user.id, member]));
    this.#newest = members.map((/** @type {Member} */ member) => unlessSame(known.get(member.user.id), member));
    this.#listed = null;
    this.count = count;
    this.isKnown = true;
    // The picture is whole: whoever is not on it has left without our hearing.
    if (members.length >= count) this.#older.clear();
    this.#changed();
  }
}

/** What has not changed stays the same object: so a card can tell. @param {Member | undefined} known  @param {Member} told */
const unlessSame = (known, told) => (known && known.user.name === told.user.name && JSON.stringify(known.session) === JSON.stringify(told.session) ? known : told);
