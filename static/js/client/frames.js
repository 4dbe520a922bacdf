/**
 * Text frames: one JSON object each, or several joined by a newline.
 *
 * @import {Frame} from './types.js'
 */
import { isObject } from './merge-patch.js';

/** @param {Frame} frame */
export function encodeFrame(frame) {
  return JSON.stringify(frame);
}

/**
 * The objects in a text frame, in order. What is no JSON object with a `type` is left
 * out: a server of a later version may say what this client cannot read, and the
 * heartbeat's cursor tells whether something that counts was missed.
 *
 * @param {string} text
 * @returns {Frame[]}
 */
export function decodeFrames(text) {
  const frames = [];
  for (const line of text.split('\n')) {
    if (!line) continue;
    let value;
    try {
      value = JSON.parse(line);
    } catch {
      continue;
    }
    if (isObject(value) && typeof value.type === 'string') frames.push(/** @type {Frame} */ (value));
  }
  return frames;
}

const encoder = new TextEncoder();

/**
 * @param {string} text
 * @returns {number} Its size on the wire, in bytes of UTF-8.
 */
export function byteLength(text) {
  return encoder.encode(text).length;
}
