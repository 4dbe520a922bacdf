/**
 * Close codes: the band says what to do, so a code that is not known yet is handled too.
 *
 * @import {Loss} from './types.js'
 */

/** @type {ReadonlyArray<{from: number, to: number, kind: Loss['kind']}>} */
export const BANDS = [
  { from: 1000, to: 1000, kind: 'again' },
  { from: 1001, to: 1001, kind: 'again' }, // going away: another instance takes over
  { from: 1012, to: 1012, kind: 'again' }, // service restart
  { from: 1013, to: 1013, kind: 'busy' }, // try again later
  { from: 4001, to: 4001, kind: 'auth' },
  { from: 4203, to: 4203, kind: 'auth' }, // refresh first, then as its band says
  { from: 4000, to: 4099, kind: 'stop' },
  { from: 4100, to: 4199, kind: 'busy' },
  { from: 4200, to: 4299, kind: 'again' },
];

/**
 * What a closed socket asks for. Anything unknown, 1006 (no close frame) first of all, is
 * `broken`: to be tried again with backoff.
 *
 * @param {number} code
 * @param {string} reason
 * @param {{code?: number, reason?: string, retry_ms?: number} | null} bye  The last word of the server, if any.
 * @returns {Loss}
 */
export function lossOf(code, reason, bye) {
  // A proxy in between may turn the code into 1006; then `bye` still knows it.
  const known = code === 1006 || code === 1005 ? (bye?.code ?? code) : code;
  const band = BANDS.find((row) => known >= row.from && known <= row.to);
  return {
    kind: band?.kind ?? 'broken',
    code: known,
    reason: reason || bye?.reason,
    retryMs: bye?.retry_ms,
  };
}
