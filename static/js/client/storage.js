/**
 * What survives a reload: state, cursor and the changes that are not over yet.
 *
 * State and cursor belong to the outbox and go in one write with it. Were they apart, a
 * reload could find a change gone from the outbox whose effect is not in the state yet,
 * and the page would show the old value for a moment. Records are kept per account, so a
 * second person on this device neither sees nor sends what the first one left.
 *
 * @import {Change, Saved, Saving, Storage} from './types.js'
 */
import { parseCursor } from './cursor.js';

/**
 * Another tab may have written a later position; it must not be set back.
 *
 * @param {string | null} mine
 * @param {string | null} theirs
 */
export function isNewer(mine, theirs) {
  const own = parseCursor(mine);
  const other = parseCursor(theirs);
  return !own || !other || own.epoch !== other.epoch || (own.user >= other.user && own.all >= other.all);
}

/** What lies there may be cut off, or of another version. @param {any} change  @returns {change is Change} */
export function isChange(change) {
  return typeof change?.mid === 'string' && typeof change.name === 'string' && typeof change.delivery === 'string' && Boolean(change.args);
}

/** Keeps everything for as long as the page lives: for tests, and where nothing may be stored. @implements {Storage} */
export class MemoryStorage {
  /** @type {string | null} */
  #account = null;
  /** @type {Map<string, string>} */
  #records = new Map();

  async account() {
    return this.#account;
  }

  /** @param {string | null} account */
  async setAccount(account) {
    this.#account = account;
  }

  /** @param {string} account  @returns {Promise<Saved>} */
  async load(account) {
    return this.#read(account);
  }

  /** @param {string} account  @param {Saving} saving */
  async commit(account, { base, put = [], remove = [] }) {
    // No await between reading and writing, or two commits at once would lose one.
    const saved = this.#read(account);
    const changes = new Map(saved.changes.map((change) => [change.mid, change]));
    for (const change of put) changes.set(change.mid, change);
    for (const mid of remove) changes.delete(mid);
    const { cursor, state } = base && (base.replace || isNewer(base.cursor, saved.cursor)) ? base : saved;
    this.#records.set(account, JSON.stringify({ cursor, state, changes: [...changes.values()] }));
  }

  /** @param {string} account */
  async clear(account) {
    this.#records.delete(account);
  }

  /** @param {string} account  @returns {Saved} */
  #read(account) {
    const text = this.#records.get(account);
    return text ? JSON.parse(text) : { cursor: null, state: {}, changes: [] };
  }
}
