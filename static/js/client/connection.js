/**
 * The connection in words: what a person may know of the line, out of what the ladder knows.
 *
 * @import {Standing} from './ladder.js'
 *
 * @typedef {'stopped' | 'connecting' | 'catching_up' | 'live' | 'limited' | 'busy' | 'offline'
 *   | 'signed_out' | 'suspended' | 'too_many' | 'refused'} Status
 *
 * @typedef {object} Connection
 * @property {Status} status
 * @property {string | null} transport  `socket`, `events` or `poll`.
 * @property {number | null} retryAt  When it is tried next (ms).
 * @property {number} waiting  Changes without a verdict, those that are being saved included.
 * @property {number | null} code  The close code or HTTP status behind it.
 * @property {string} lacks  What the server cannot do just now, of `prompt`, `saving` and `uploads`, spaces between;
 *   empty while all is well, and while there is no line to hear it over.
 */

/**
 * Close codes of the band "do not reconnect unchanged" that a person can do something about.
 *
 * @type {Map<number, Status>}
 */
const BLOCKED = new Map([
  [4003, 'suspended'],
  [4004, 'signed_out'],
  [4005, 'too_many'],
]);

/**
 * @param {Standing} standing
 * @param {{isBehind: boolean, isOffline: boolean, lacks: string}} facts  `isOffline`: no link since the line was found dead.
 * @returns {Omit<Connection, 'waiting'>}
 */
export function describe(standing, { isBehind, isOffline, lacks }) {
  return {
    status: statusOf(standing, isBehind, isOffline),
    transport: standing.rung,
    retryAt: standing.retryAt,
    code: standing.loss?.code ?? null,
    lacks: standing.phase === 'up' ? lacks : '',
  };
}

/**
 * @param {Standing} standing
 * @param {boolean} behind
 * @param {boolean} offline
 * @returns {Status}
 */
function statusOf({ phase, rung, loss }, behind, offline) {
  if (phase === 'stopped') return 'stopped';
  if (phase === 'blocked') return loss?.kind === 'auth' ? 'signed_out' : (BLOCKED.get(loss?.code ?? 0) ?? 'refused');
  if (phase === 'up') {
    if (behind) return 'catching_up';
    return rung === 'socket' ? 'live' : 'limited';
  }
  if (phase === 'waiting' && loss?.kind === 'busy') return 'busy';
  // While it tries again the word stays: a chip that flips every few seconds tells nothing.
  return offline ? 'offline' : 'connecting';
}
