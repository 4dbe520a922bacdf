/**
 * JSON Merge Patch (RFC 7386), the one way in which state changes.
 *
 * Neither argument is touched: what did not change is shared with the old value, so a
 * view can tell by identity which part of the state to draw again.
 *
 * @import {Json} from './types.js'
 */

/**
 * @param {unknown} value
 * @returns {value is Json}
 */
export function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * @param {any} target
 * @param {any} patch
 * @returns {any} `target` with `patch` merged in.
 */
export function applyPatch(target, patch) {
  if (!isObject(patch)) return patch;
  const old = isObject(target) ? target : {};
  /** @type {Json} */
  let merged = isObject(target) ? target : {};
  for (const key of Object.keys(patch)) {
    const had = Object.hasOwn(old, key);
    if (patch[key] === null) {
      if (!had) continue;
      if (merged === old) merged = { ...old };
      delete merged[key];
      continue;
    }
    const value = applyPatch(had ? old[key] : undefined, patch[key]);
    if (had && value === old[key]) continue;
    if (merged === old) merged = { ...old };
    // Not a plain assignment: a key named `__proto__` would change the prototype instead.
    Object.defineProperty(merged, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return merged;
}
