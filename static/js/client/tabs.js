/**
 * Tabs of one browser agree on which of them holds the line: whoever holds a Web Lock does.
 *
 * The browser gives the lock to the next in the queue the moment its holder is gone. A holder
 * that is there and does not move is found out by being asked: a tab that somebody looks at
 * asks twice a second, and takes the lock away from one that leaves three questions
 * unanswered. Questions and not the holder's own heartbeats, because timers of hidden tabs
 * are slowed down to one a minute, and messages are not.
 *
 * @import {Environment} from './types.js'
 */

const ASK_EVERY_MS = 500;
const UNANSWERED_AT_MOST = 3;

export class Tabs {
  #env;
  #name;
  #isVisitor;
  #on;
  /** @type {{postMessage: (message: any) => void, close: () => void, onmessage: any} | null} */
  #channel = null;
  /** @type {{abort: AbortController, release: () => void} | null} Our place in the queue, or at its head. */
  #place = null;
  /** @type {(() => void) | null} */
  #stopListening = null;
  /** @type {any} */
  #timer = null;
  #unanswered = 0;
  #isWatching = true;
  isLeading = false;

  /**
   * @param {object} parts
   * @param {Environment} parts.env
   * @param {string} parts.name  Tabs with this name share one line.
   * @param {boolean} parts.isVisitor  Leads only if nobody else does, and never waits.
   * @param {object} parts.on
   * @param {() => void} parts.on.lead
   * @param {() => void} parts.on.follow  Another tab holds the line, from now on.
   * @param {() => void} parts.on.turnedAway  A visitor found the place taken.
   * @param {(message: any) => void} parts.on.message
   * @param {() => void} parts.on.ask  Is the holder there?
   */
  constructor({ env, name, isVisitor, on }) {
    this.#env = env;
    this.#name = name;
    this.#isVisitor = isVisitor;
    this.#on = on;
  }

  get isJoined() {
    return this.#place !== null;
  }

  join() {
    if (this.#place) return;
    const { tabs } = this.#env;
    if (!tabs) {
      // Neither locks nor channels (a page without TLS has no locks): each tab for itself.
      this.#place = { abort: new AbortController(), release: () => undefined };
      this.#lead();
      return;
    }
    this.#channel = tabs.openChannel(this.#name);
    this.#channel.onmessage = (/** @type {{data: any}} */ { data }) => this.#on.message(data);
    this.#stopListening = tabs.listenFreeze((isFrozen) => (isFrozen ? this.#standDown() : this.#queue({})));
    this.#queue(this.#isVisitor ? { ifAvailable: true } : {});
  }

  leave() {
    this.#stopListening?.();
    this.#stopListening = null;
    this.#standDown();
    this.#channel?.close();
    this.#channel = null;
  }

  /** To all other tabs. @param {any} message */
  tell(message) {
    this.#channel?.postMessage(message);
  }

  /** The holder has said something. */
  heardHolder() {
    this.#unanswered = 0;
  }

  /** Whether somebody looks at this tab, and so would notice a dead line. @param {boolean} isWatching */
  set isWatching(isWatching) {
    if (isWatching === this.#isWatching) return;
    this.#isWatching = isWatching;
    this.#watch();
  }

  /** Takes the line away from a holder that does not answer, or cannot serve us. */
  takeAway() {
    this.#place?.abort.abort();
    this.#queue({ steal: true });
  }

  /** @param {{steal?: boolean, ifAvailable?: boolean}} how */
  #queue(how) {
    const { tabs } = this.#env;
    if (!tabs) return;
    const place = { abort: new AbortController(), release: () => {} };
    this.#place = place;
    const options = how.steal || how.ifAvailable ? how : { signal: place.abort.signal };
    tabs
      .requestLock(this.#name, options, (isOurs) => {
        if (place !== this.#place) return undefined;
        if (!isOurs) {
          this.#on.turnedAway();
          return undefined;
        }
        this.#lead();
        return new Promise((resolve) => {
          place.release = () => resolve(undefined);
        });
      })
      .catch(() => undefined)
      // Rejected too when another tab has taken the lock away: then we queue again behind it.
      .then(() => place === this.#place && this.isLeading && this.#deposed());
    if (!this.isLeading) this.#watch();
  }

  #lead() {
    this.isLeading = true;
    this.#watch();
    this.#on.lead();
  }

  #deposed() {
    this.isLeading = false;
    this.#on.follow();
    this.#queue({});
  }

  #standDown() {
    const place = this.#place;
    const wasLeading = this.isLeading;
    this.#place = null;
    this.isLeading = false;
    this.#env.clock.clearTimeout(this.#timer);
    this.#timer = null;
    if (wasLeading) this.#on.follow();
    place?.abort.abort();
    place?.release();
  }

  #watch() {
    this.#env.clock.clearTimeout(this.#timer);
    this.#timer = null;
    this.#unanswered = 0;
    if (this.isLeading || !this.#isWatching || !this.#place || this.#isVisitor) return;
    const ask = () => {
      this.#timer = this.#env.clock.setTimeout(ask, ASK_EVERY_MS);
      if (this.#unanswered >= UNANSWERED_AT_MOST) return this.takeAway();
      this.#unanswered += 1;
      return this.#on.ask();
    };
    ask();
  }
}
