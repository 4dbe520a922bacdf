/**
 * Waiting with an end: no disk and no other tab may keep a person waiting for ever.
 *
 * @import {Clock} from './types.js'
 */

/**
 * @template T
 * @param {Clock} clock
 * @param {Promise<T> | undefined} promise
 * @param {number} ms
 * @returns {Promise<T | null>} Null when it failed or took longer.
 */
export function within(clock, promise, ms) {
  return new Promise((resolve) => {
    const timer = clock.setTimeout(() => resolve(null), ms);
    const settle = (/** @type {T | null | undefined} */ value) => {
      clock.clearTimeout(timer);
      resolve(value ?? null);
    };
    Promise.resolve(promise).then(settle, () => settle(null));
  });
}
