/**
 * The dispatcher decides what is sent when: in order, within the server's limits, and again when in doubt.
 *
 * @import {Clock, Frame, Change} from './types.js'
 * @import {Replica} from './replica.js'
 *
 * @typedef {{askAt: number, asked: number}} Waiting  When to ask again, and how often it was asked on this link.
 */
import { isPending } from './delivery.js';
import { localError } from './errors.js';
import { byteLength, encodeFrame } from './frames.js';
import { laneOf } from './mutations.js';

/** After this a person is told "not sure yet, asking again". */
export const DOUBT_AFTER_MS = 2000;
const ASK_AGAIN_CAP_MS = 30_000;
const RETRY_FIRST_MS = 500;
const RETRY_CAP_MS = 30_000;
/**
 * The server remembers a `mid` for a week at least. What is older could take effect twice,
 * so it is not sent any more; a day of slack covers clocks that are wrong.
 */
export const EXPIRES_AFTER_MS = 6 * 24 * 3600 * 1000;

export class Dispatcher {
  #clock;
  #replica;
  #send;
  #changed;
  #limits = { frame_bytes: 32_768, messages_per_s: 20, pending_mutations: 16 };
  /** @type {Map<string, Waiting>} */
  #waiting = new Map();
  #isUp = false;
  #takesBatches = false;
  #tokens = 0;
  #tokensAt = 0;
  /** @type {any} */
  #timer = null;

  /**
   * @param {object} parts
   * @param {Clock} parts.clock
   * @param {Replica} parts.replica
   * @param {(frames: Frame[]) => void} parts.send
   * @param {() => void} parts.changed  Something is due; ends in a call of `pump`.
   */
  constructor({ clock, replica, send, changed }) {
    this.#clock = clock;
    this.#replica = replica;
    this.#send = send;
    this.#changed = changed;
  }

  /**
   * A link is up. What was under way on another one is in doubt and goes out again.
   *
   * @param {{takesBatches: boolean, limits?: import('./types.js').Welcome['limits']}} link
   */
  linkUp({ takesBatches, limits = {} }) {
    this.linkDown();
    this.#isUp = true;
    this.#takesBatches = takesBatches;
    this.#limits = { ...this.#limits, ...limits };
    this.#tokens = this.#limits.messages_per_s;
    this.#tokensAt = this.#clock.now();
    for (const change of this.#replica.changes) {
      if (change.delivery === 'in_doubt' && change.retry_at) this.#replica.signal(change.mid, 'send', { retry_at: 0 });
    }
  }

  linkDown() {
    this.#isUp = false;
    for (const mid of this.#waiting.keys()) this.#replica.signal(mid, 'doubt');
    this.#waiting.clear();
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** The server answered that this one has to be sent again. @param {string} mid  @param {import('./types.js').WireError} error */
  refused(mid, error) {
    const change = this.#replica.change(mid);
    if (!change || !isPending(change)) return;
    this.#waiting.delete(mid);
    // A defect of the server or a lost login say nothing about the change itself.
    const isJudged = !error.retryable && error.class !== 'system' && error.class !== 'auth';
    if (isJudged) return this.#replica.signal(mid, 'reject', { error });
    this.#replica.signal(mid, 'refuse', { retry_at: this.#clock.now() + this.#pauseBefore(change, error.retry_after_ms) });
  }

  /** The request was lost: nobody knows what became of it. @param {string} mid */
  unanswered(mid) {
    const change = this.#replica.change(mid);
    this.#waiting.delete(mid);
    if (!change || !isPending(change)) return;
    this.#replica.signal(mid, 'doubt');
    // In doubt it stays; what changes is when it is asked about again.
    this.#replica.signal(mid, 'send', { retry_at: this.#clock.now() + this.#pauseBefore(change) });
  }

  /** Whether something was asked so often on a socket that the socket itself is in question. */
  get isUnheard() {
    return !this.#takesBatches && [...this.#waiting.values()].some(({ asked }) => asked > 3);
  }

  /** Sends what may be sent now, and comes back by itself for the rest. */
  pump() {
    const now = this.#clock.now();
    this.#expire(now);
    for (const mid of this.#waiting.keys()) {
      const change = this.#replica.change(mid);
      if (!change || !isPending(change)) this.#waiting.delete(mid);
    }
    if (this.#isUp) this.#send(this.#choose(now));
    this.#schedule(now);
  }

  /** @param {number} now  @returns {Frame[]} */
  #choose(now) {
    /** @type {Frame[]} */
    const frames = [];
    const closedLanes = new Set();
    for (const change of this.#replica.changes) {
      if (!isPending(change)) continue;
      const lane = laneOf(change.name);
      const waiting = this.#waiting.get(change.mid);
      if (waiting) {
        closedLanes.add(lane);
        if (now >= waiting.askAt) frames.push(this.#askAgain(change, waiting, now));
        continue;
      }
      if (closedLanes.has(lane)) continue;
      const frame = this.#isReady(change, now) ? this.#first(change, now) : null;
      if (frame) frames.push(frame);
      if (!frame || !this.#takesBatches) closedLanes.add(lane);
    }
    return frames;
  }

  /** @param {Change} change  @param {number} now */
  #isReady(change, now) {
    return !change.needs && (change.retry_at ?? 0) <= now;
  }

  /** @param {Change} change  @param {number} now  @returns {Frame | null} */
  #first(change, now) {
    if (this.#waiting.size >= this.#limits.pending_mutations || !this.#takeToken(now)) return null;
    const frame = frameOf(change);
    if (byteLength(encodeFrame(frame)) > this.#limits.frame_bytes) {
      // The server would close the line over it, again and again.
      this.#replica.signal(change.mid, 'reject', { error: localError('too_large') });
      return null;
    }
    this.#waiting.set(change.mid, { askAt: now + DOUBT_AFTER_MS, asked: 1 });
    this.#replica.signal(change.mid, 'send', { attempts: change.attempts + 1, retry_at: 0 });
    return frame;
  }

  /** @param {Change} change  @param {Waiting} waiting  @param {number} now  @returns {Frame} */
  #askAgain(change, waiting, now) {
    const asked = waiting.asked + 1;
    this.#waiting.set(change.mid, { askAt: now + Math.min(ASK_AGAIN_CAP_MS, DOUBT_AFTER_MS * 2 ** (asked - 1)), asked });
    this.#replica.signal(change.mid, 'doubt');
    this.#replica.signal(change.mid, 'send', { attempts: change.attempts + 1 });
    return frameOf(change);
  }

  /** @param {number} now */
  #expire(now) {
    for (const change of this.#replica.changes) {
      if (now - change.created_at < EXPIRES_AFTER_MS || this.#waiting.has(change.mid)) continue;
      this.#replica.signal(change.mid, 'expire', { error: localError('expired') });
    }
  }

  /** A bucket that stays below the server's, so a long queue does not cost the line. @param {number} now */
  #takeToken(now) {
    const rate = this.#limits.messages_per_s * 0.8;
    this.#tokens = Math.min(this.#limits.messages_per_s, this.#tokens + ((now - this.#tokensAt) / 1000) * rate);
    this.#tokensAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** @param {Change} change  @param {number} [asked]  What the server asks for (ms). */
  #pauseBefore(change, asked) {
    return Math.max(asked ?? 0, Math.min(RETRY_CAP_MS, RETRY_FIRST_MS * 2 ** Math.max(0, change.attempts - 1)));
  }

  /** @param {number} now */
  #schedule(now) {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    if (!this.#isUp) return;
    let at = Infinity;
    for (const { askAt } of this.#waiting.values()) at = Math.min(at, askAt);
    for (const change of this.#replica.changes) {
      if (!isPending(change) || this.#waiting.has(change.mid)) continue;
      if ((change.retry_at ?? 0) > now) at = Math.min(at, change.retry_at ?? 0);
    }
    if (this.#tokens < 1) at = Math.min(at, now + 1000 / this.#limits.messages_per_s);
    if (at < Infinity) this.#timer = this.#clock.setTimeout(() => this.#changed(), Math.max(10, at - now));
  }
}

/** @param {Change} change  @returns {Frame} */
function frameOf({ mid, name, args, if_version }) {
  return { type: 'mutate', mid, name, args, ...(if_version === undefined ? {} : { if_version }) };
}
