/**
 * The ladder: WebSocket, then SSE with REST, then long-poll with REST, then offline; and up again by itself.
 *
 * It holds one link at a time and knows when to leave it, for which other, and how long to
 * wait before. While it stands on a lower rung it tries the upper ones beside the working
 * link and moves only when one of them has said `welcome`, so climbing interrupts nothing.
 *
 * @import {Environment, Frame, Link, Loss, Sink} from './types.js'
 *
 * @typedef {object} Rung
 * @property {string} name
 * @property {(sink: Sink) => Link} make
 * @property {number} patience  Failures in a row after which the next rung is tried.
 *
 * @typedef {object} Standing
 * @property {'stopped' | 'connecting' | 'up' | 'waiting' | 'offline' | 'blocked'} phase
 * @property {string | null} rung
 * @property {Loss | null} loss  What ended the last link.
 * @property {number | null} retryAt  When the next try begins (ms).
 *
 * @typedef {object} Attempt
 * @property {Link} link
 * @property {number} index
 * @property {number | null} welcomedAt
 * @property {any} deadline
 */
import { Backoff } from './backoff.js';

const WELCOME_WITHIN_MS = 10_000;
/** A link that lived less than this was not a success. */
const STEADY_AFTER_MS = 5000;
const CLIMB_FIRST_MS = 15_000;
const CLIMB_CAP_MS = 300_000;
/** The band 4200-4299 says "now"; a little jitter keeps a crowd from coming in one instant. */
const NOW_WITHIN_MS = 250;

export class Ladder {
  #env;
  #rungs;
  #hello;
  #onFrames;
  #onStanding;
  #reauthenticate;
  #backoff;
  #climbing;
  /** @type {Attempt | null} */
  #current = null;
  /** @type {Attempt | null} */
  #candidate = null;
  /** @type {number[]} */
  #misses;
  /** @type {any} */
  #timer = null;
  /** @type {any} */
  #climbTimer = null;
  /** @type {(() => void) | null} */
  #stopListening = null;
  #authTried = false;
  /** @type {Standing} */
  standing = { phase: 'stopped', rung: null, loss: null, retryAt: null };

  /**
   * @param {object} parts
   * @param {Environment} parts.env
   * @param {Rung[]} parts.rungs  Best first.
   * @param {() => Promise<Frame>} parts.hello
   * @param {(frames: Frame[], isNewLink: boolean) => void} parts.onFrames  `isNewLink`: this batch brings its `welcome`.
   * @param {(standing: Standing) => void} parts.onStanding
   * @param {(loss: Loss) => Promise<boolean>} parts.reauthenticate  Whether there is now another proof of who this is.
   */
  constructor({ env, rungs, hello, onFrames, onStanding, reauthenticate }) {
    this.#env = env;
    this.#rungs = rungs;
    this.#hello = hello;
    this.#onFrames = onFrames;
    this.#onStanding = onStanding;
    this.#reauthenticate = reauthenticate;
    this.#backoff = new Backoff(env.random);
    this.#climbing = new Backoff(env.random, { floorMs: CLIMB_FIRST_MS, capMs: CLIMB_CAP_MS });
    this.#misses = rungs.map(() => 0);
  }

  start() {
    this.#stopListening ??= this.#env.network.listen(() => this.#lineChanged());
    this.#backoff.reset();
    this.#authTried = false;
    this.#lineChanged(true);
  }

  stop() {
    this.#stopListening?.();
    this.#stopListening = null;
    this.#drop();
    this.#stand('stopped', null);
  }

  /** @param {Frame[]} frames */
  send(frames) {
    if (this.#current?.welcomedAt != null) this.#current.link.send(frames);
  }

  /** Try now what would be tried later: the person asked, or the line came back. */
  nudge() {
    if (this.standing.phase === 'up') return this.#climb();
    if (this.#current && this.standing.phase === 'connecting') return;
    this.#drop();
    this.#attempt(0);
  }

  /** The working link is not to be trusted any longer. @param {Loss} loss */
  giveUp(loss) {
    const attempt = this.#current;
    if (!attempt) return;
    attempt.link.close();
    this.#lost(attempt, loss);
  }

  /** @param {boolean} [begin] */
  #lineChanged(begin = false) {
    if (this.#env.network.online()) {
      if (begin || this.standing.phase === 'offline' || this.standing.loss?.kind === 'broken') this.nudge();
      return;
    }
    // The browser knows before the socket does: a dead line may keep it open for minutes.
    this.#drop();
    this.#retryLater({ kind: 'unreachable', reason: 'line' }, this.#backoff.next());
  }

  /** @param {number} index */
  #attempt(index) {
    const attempt = this.#begin(index);
    this.#current = attempt;
    this.#stand('connecting', this.standing.loss);
  }

  /** @param {number} index  @returns {Attempt} */
  #begin(index) {
    /** @type {Attempt} */
    const attempt = { link: /** @type {any} */ (null), index, welcomedAt: null, deadline: null };
    attempt.link = this.#rungs[index].make({
      frames: (frames) => this.#frames(attempt, frames),
      lost: (loss) => this.#lost(attempt, loss),
    });
    attempt.deadline = this.#env.clock.setTimeout(() => {
      attempt.link.close();
      this.#lost(attempt, { kind: 'broken', reason: 'no welcome' });
    }, WELCOME_WITHIN_MS);
    this.#hello().then(
      (hello) => this.#isKnown(attempt) && attempt.link.open(hello),
      (error) => this.#lost(attempt, { kind: 'unreachable', reason: String(error) }),
    );
    return attempt;
  }

  /** @param {Attempt} attempt */
  #isKnown(attempt) {
    return attempt === this.#current || attempt === this.#candidate;
  }

  /** @param {Attempt} attempt  @param {Frame[]} frames */
  #frames(attempt, frames) {
    if (!this.#isKnown(attempt)) return;
    const isNewLink = attempt.welcomedAt === null && frames.some((frame) => frame.type === 'welcome');
    if (isNewLink) this.#welcomed(attempt);
    if (attempt === this.#current) this.#onFrames(frames, isNewLink);
  }

  /** @param {Attempt} attempt */
  #welcomed(attempt) {
    this.#env.clock.clearTimeout(attempt.deadline);
    attempt.welcomedAt = this.#env.clock.now();
    if (attempt === this.#candidate) {
      this.#candidate = null;
      this.#current?.link.close();
      this.#current = attempt;
    }
    this.#authTried = false;
    this.#env.clock.clearTimeout(this.#climbTimer);
    if (attempt.index === 0) this.#climbing.reset();
    else this.#climbLater();
    this.#stand('up', null);
  }

  /** @param {Attempt} attempt  @param {Loss} loss */
  #lost(attempt, loss) {
    this.#env.clock.clearTimeout(attempt.deadline);
    if (attempt === this.#candidate) {
      this.#candidate = null;
      // From the poll rung the events rung is worth a try when the socket is not to be had.
      if (attempt.index + 1 < (this.#current?.index ?? 0)) this.#candidate = this.#begin(attempt.index + 1);
      else this.#climbLater();
      return;
    }
    if (attempt !== this.#current) return;
    this.#drop();
    const steady = attempt.welcomedAt !== null && this.#env.clock.now() - attempt.welcomedAt >= STEADY_AFTER_MS;
    if (steady) {
      this.#backoff.reset();
      this.#misses.fill(0);
    }
    this.#react(attempt, loss, steady);
  }

  /** @param {Attempt} attempt  @param {Loss} loss  @param {boolean} steady */
  #react(attempt, loss, steady) {
    const { index } = attempt;
    if (loss.kind === 'stop') return this.#stand('blocked', loss);
    if (loss.kind === 'auth') return void this.#authLost(loss);
    if (loss.kind === 'again' && attempt.welcomedAt !== null) {
      const soon = this.#env.random() * NOW_WITHIN_MS;
      return this.#retryLater(loss, loss.retryMs ?? (steady ? soon : this.#backoff.next()), index);
    }
    if (loss.kind === 'busy') return this.#retryLater(loss, Math.max(loss.retryMs ?? 0, this.#backoff.next()), index);
    if (loss.kind === 'unreachable') {
      // Whatever else is tried goes over the same line. One failing socket is enough next time.
      this.#misses[0] = Math.max(this.#misses[0], this.#rungs[0].patience - 1);
      return this.#retryLater(loss, this.#backoff.next());
    }
    if (!steady) this.#misses[index] += attempt.welcomedAt === null ? 1 : 0.5;
    if (this.#misses[index] >= this.#rungs[index].patience && index + 1 < this.#rungs.length) return this.#attempt(index + 1);
    if (index + 1 < this.#rungs.length) return this.#retryLater(loss, this.#backoff.next(), index);
    // The last way has failed as well: that is being offline, whatever the reason.
    return this.#retryLater({ ...loss, kind: 'unreachable' }, this.#backoff.next());
  }

  /** @param {Loss} loss */
  async #authLost(loss) {
    this.#stand('connecting', loss);
    const tried = this.#authTried;
    this.#authTried = true;
    const renewed = !tried && (await this.#reauthenticate(loss));
    if (this.standing.phase !== 'connecting' || this.#current) return;
    if (renewed) this.#attempt(0);
    else this.#stand('blocked', loss);
  }

  /** @param {Loss} loss  @param {number} ms  @param {number} [index] */
  #retryLater(loss, ms, index = 0) {
    this.#timer = this.#env.clock.setTimeout(() => this.#attempt(index), ms);
    this.#stand(loss.kind === 'unreachable' ? 'offline' : 'waiting', loss, this.#env.clock.now() + ms);
  }

  #climbLater() {
    this.#env.clock.clearTimeout(this.#climbTimer);
    this.#climbTimer = this.#env.clock.setTimeout(() => this.#climb(), this.#climbing.next());
  }

  #climb() {
    if (!this.#current || this.#current.index === 0 || this.#candidate) return;
    this.#env.clock.clearTimeout(this.#climbTimer);
    this.#candidate = this.#begin(0);
  }

  #drop() {
    for (const attempt of [this.#current, this.#candidate]) {
      if (!attempt) continue;
      this.#env.clock.clearTimeout(attempt.deadline);
      attempt.link.close();
    }
    this.#current = null;
    this.#candidate = null;
    this.#env.clock.clearTimeout(this.#timer);
    this.#env.clock.clearTimeout(this.#climbTimer);
  }

  /** @param {Standing['phase']} phase  @param {Loss | null} loss  @param {number | null} [retryAt] */
  #stand(phase, loss, retryAt = null) {
    const rung = this.#current ? this.#rungs[this.#current.index].name : null;
    this.standing = { phase, rung, loss, retryAt };
    this.#onStanding(this.standing);
  }
}
