/**
 * A tab that does not hold the line mirrors the one that does; here it catches up with the whole.
 *
 * @import {Change, State} from './types.js'
 * @import {Replica} from './replica.js'
 *
 * @typedef {object} Whole  All that the holder knows.
 * @property {string | null} cursor
 * @property {State} state
 * @property {Change[]} changes
 * @property {Change[]} ended  What ended lately.
 */

/**
 * @param {Replica} replica
 * @param {Whole} whole
 * @returns {{ended: Change[], unheard: Change[]}} What ended without our hearing of it, and what the holder has not
 *   heard from us.
 */
export function catchUp(replica, { cursor, state, changes, ended }) {
  const known = new Set(changes.map(({ mid }) => mid));
  const over = new Map(ended.map((change) => [change.mid, change]));
  const own = replica.changes.filter(({ mid }) => !known.has(mid));
  const unheard = own.filter(({ mid, delivery }) => !over.has(mid) && delivery === 'queued');
  const remove = own.filter((change) => !unheard.includes(change)).map(({ mid }) => mid);
  const missed = own.flatMap(({ mid }) => over.get(mid) ?? []);
  replica.follow({ base: { cursor, state }, put: changes, remove }, missed);
  return { ended: missed, unheard };
}
