/**
 * Cursors: how far a client has applied both of its streams, as `<epoch>.<user seq>.<all seq>`.
 *
 * @typedef {object} Cursor
 * @property {string} epoch  Names one life of the log; positions of different epochs do not compare.
 * @property {number} user
 * @property {number} all
 */

/**
 * @param {string | null | undefined} text
 * @returns {Cursor | null} Null for anything that is not a cursor.
 */
export function parseCursor(text) {
  const match = /^([A-Za-z0-9_-]{1,64})\.(\d{1,15})\.(\d{1,15})$/.exec(text ?? '');
  return match && { epoch: match[1], user: Number(match[2]), all: Number(match[3]) };
}

/** @param {Cursor} cursor */
export function formatCursor(cursor) {
  return `${cursor.epoch}.${cursor.user}.${cursor.all}`;
}

/**
 * Whether `own` has not yet seen all that `head` names. Another epoch always counts as
 * behind: only the server can say what to do then.
 *
 * @param {Cursor | null} own
 * @param {Cursor} head
 */
export function isBehind(own, head) {
  return !own || own.epoch !== head.epoch || own.user < head.user || own.all < head.all;
}
