/**
 * The pulse of a link: proves to the server that we are here, and notices when it is not.
 *
 * It answers each heartbeat of the server instead of keeping a timer of its own: browsers
 * slow the timers of hidden tabs down to one a minute, but still deliver messages.
 *
 * @import {Clock, Frame} from './types.js'
 * @import {Cursor} from './cursor.js'
 */
import { formatCursor, isBehind, parseCursor } from './cursor.js';

/** How long a head may stay ahead of us before we ask for what is missing. */
export const BEHIND_MS = 5000;
const RESUMES_BEFORE_GIVING_UP = 3;
const ACK_WITHIN_MS = 1000;
const GRACE_MS = 15_000;
/** After sleep the timer may run before the messages that came meanwhile are delivered. */
const LAST_CHANCE_MS = 3000;

export class Pulse {
  #clock;
  #send;
  #cursor;
  #giveUp;
  #changed;
  #activity = 'active';
  #heartbeatMs = 0;
  #heardAt = 0;
  #resumes = 0;
  #isRunning = false;
  /** @type {string | null} */
  #acked = null;
  /** @type {Cursor | null} The head that we have not reached. */
  #head = null;
  /** @type {any} */
  #watch = null;
  /** @type {any} */
  #behind = null;
  /** @type {any} */
  #ack = null;

  /**
   * @param {object} parts
   * @param {Clock} parts.clock
   * @param {(frames: Frame[]) => void} parts.send
   * @param {() => Cursor | null} parts.cursor  How far we are.
   * @param {(reason: string) => void} parts.giveUp  The link is dead, or cannot make up what it lost.
   * @param {() => void} parts.changed  We caught up.
   */
  constructor({ clock, send, cursor, giveUp, changed }) {
    this.#clock = clock;
    this.#send = send;
    this.#cursor = cursor;
    this.#giveUp = giveUp;
    this.#changed = changed;
  }

  /** @param {{heartbeat_s?: number, cursor: string}} welcome */
  start({ heartbeat_s, cursor }) {
    this.stop();
    this.#isRunning = true;
    this.#heardAt = this.#clock.now();
    this.#heartbeatMs = (heartbeat_s ?? 0) * 1000;
    this.#acked = null;
    // Links without heartbeats watch over themselves.
    if (this.#heartbeatMs) this.#watchLater(this.#heartbeatMs + GRACE_MS);
    if (this.#activity !== 'active') this.#beat();
    this.#compare(cursor);
    this.moved();
  }

  stop() {
    this.#isRunning = false;
    for (const timer of [this.#watch, this.#behind, this.#ack]) this.#clock.clearTimeout(timer);
    this.#watch = this.#behind = this.#ack = null;
    this.#head = null;
    this.#resumes = 0;
  }

  /** Anything that came in. @param {Frame[]} frames */
  heard(frames) {
    this.#heardAt = this.#clock.now();
    for (const frame of frames) {
      if (frame.type !== 'heartbeat') continue;
      if (frame.time) this.#beat();
      this.#compare(frame.cursor);
    }
  }

  /** Our own position has moved on. */
  moved() {
    if (!this.#isRunning) return;
    this.#ack ??= this.#clock.setTimeout(() => this.#acknowledge(), ACK_WITHIN_MS);
    if (this.#head && !isBehind(this.#cursor(), this.#head)) this.#reached();
  }

  /** An entry came whose forerunner did not: no need to wait for a heartbeat to say so. @param {Cursor} head */
  missed(head) {
    this.#head = head;
    if (this.#resumes === 0) this.#resume();
  }

  /** @returns {boolean} Whether we know of entries that we do not have. */
  get isBehind() {
    return this.#head !== null;
  }

  /** How long nothing has come in (ms). */
  get silenceMs() {
    return this.#clock.now() - this.#heardAt;
  }

  /** @param {'active' | 'idle' | 'hidden'} activity */
  set activity(activity) {
    if (activity === this.#activity) return;
    this.#activity = activity;
    this.#beat();
  }

  #beat() {
    this.#send([{ type: 'heartbeat', activity: this.#activity }]);
  }

  #acknowledge() {
    this.#ack = null;
    const own = this.#cursor();
    const text = own && formatCursor(own);
    if (!text || text === this.#acked) return;
    this.#acked = text;
    this.#send([{ type: 'ack', cursor: text }]);
  }

  /** @param {string} text */
  #compare(text) {
    const head = parseCursor(text);
    if (!head || !isBehind(this.#cursor(), head)) return;
    this.#head = head;
    this.#behind ??= this.#clock.setTimeout(() => this.#stillBehind(), BEHIND_MS);
  }

  #stillBehind() {
    this.#behind = null;
    if (!this.#head) return;
    if (!isBehind(this.#cursor(), this.#head)) {
      this.#reached();
      return this.#changed();
    }
    if (this.#resumes >= RESUMES_BEFORE_GIVING_UP) return this.#giveUp('behind');
    this.#resume();
  }

  #resume() {
    const own = this.#cursor();
    if (!own) return this.#giveUp('no position');
    this.#resumes += 1;
    this.#clock.clearTimeout(this.#behind);
    this.#behind = this.#clock.setTimeout(() => this.#stillBehind(), BEHIND_MS);
    this.#send([{ type: 'resume', cursor: formatCursor(own) }]);
  }

  #reached() {
    this.#head = null;
    this.#resumes = 0;
    this.#clock.clearTimeout(this.#behind);
    this.#behind = null;
  }

  /** @param {number} ms */
  #watchLater(ms) {
    this.#watch = this.#clock.setTimeout(() => this.#listen(ms), ms);
  }

  /** @param {number} ms  What was waited just now. */
  #listen(ms) {
    const limit = this.#heartbeatMs + GRACE_MS;
    if (this.silenceMs < limit) return this.#watchLater(limit - this.silenceMs);
    if (ms === LAST_CHANCE_MS) return this.#giveUp('silent');
    return this.#watchLater(LAST_CHANCE_MS);
  }
}
