/**
 * Long-poll down, REST up: the last way that still tells of changes without being asked each time.
 *
 * @import {Environment, Frame, Json, Link, Loss, Sink} from '../types.js'
 * @import {Http} from '../http.js'
 */
import { HttpError } from '../http.js';
import { Uplink } from './uplink.js';

const WAIT_S = 25;
/** Where somebody in between answers at once instead of waiting, this is how often we ask. */
const AT_MOST_EVERY_MS = 2000;
/** What a `health` notice speaks of. */
const ABILITIES = ['saving', 'uploads', 'prompt'];

/** @implements {Link} */
export class PollLink {
  #clock;
  #http;
  #sink;
  #uplink;
  #abort = new AbortController();
  /** What the server said last that it cannot do, as it said it; and what of it was passed on. */
  #lacks = '';
  #told = '';
  /** @param {Headers} headers */
  #answered = (headers) => {
    this.#lacks = headers.get('Idling-Lacks') ?? '';
  };

  /**
   * @param {Environment} env
   * @param {Http} http
   * @param {Sink} sink
   * @param {() => boolean} hasSession
   */
  constructor(env, http, sink, hasSession) {
    this.#clock = env.clock;
    this.#http = http;
    this.#sink = sink;
    this.#uplink = new Uplink(env, http, { frames: (frames) => this.#deliver(frames), lost: (loss) => this.#end(loss) }, hasSession);
  }

  /** @param {Frame} _hello  Its cursor is not used: see `#run`. */
  open(_hello) {
    void this.#run();
  }

  /** @param {Frame[]} frames */
  send(frames) {
    if (frames.some((frame) => frame.type === 'resume')) return this.#end({ kind: 'again', reason: 'resume' });
    this.#uplink.send(frames);
  }

  close() {
    this.#abort.abort();
    this.#uplink.close();
  }

  async #run() {
    try {
      // A poll does not say whose stream it is. The snapshot does, so a login that changed
      // meanwhile cannot mix two people's states; one request more is a fair price here.
      let cursor = await this.#freshState('new');
      this.#uplink.start();
      while (!this.#abort.signal.aborted) cursor = await this.#next(cursor);
    } catch (error) {
      this.#end(error instanceof HttpError ? error.loss : { kind: 'broken', reason: String(error) });
    }
  }

  /** @param {string} cursor  @returns {Promise<string>} */
  async #next(cursor) {
    const askedAt = this.#clock.now();
    let answer;
    try {
      answer = await this.#http.json(`/api/events?cursor=${encodeURIComponent(cursor)}&wait_s=${WAIT_S}`, {
        signal: this.#abort.signal,
        answered: this.#answered,
        timeoutMs: (WAIT_S + 10) * 1000,
      });
    } catch (error) {
      if (error instanceof HttpError && error.status === 410) return this.#freshState('expired');
      throw error;
    }
    this.#tellLacks();
    if (!answer.entries?.length) {
      await this.#pause(askedAt + AT_MOST_EVERY_MS - this.#clock.now());
      return cursor;
    }
    const entries = answer.entries.map((/** @type {Json} */ entry) => ({ ...entry, type: 'entry' }));
    this.#deliver([...entries, { type: 'heartbeat', cursor: answer.cursor }]);
    return answer.cursor;
  }

  /** @param {number} ms  @returns {Promise<void>} */
  #pause(ms) {
    return new Promise((resolve) => {
      if (ms <= 0) resolve();
      else this.#clock.setTimeout(resolve, ms);
    });
  }

  /** @param {string} reason  @returns {Promise<string>} The cursor of the state it delivered. */
  async #freshState(reason) {
    const { state, cursor } = await this.#http.json('/api/snapshot', { signal: this.#abort.signal, answered: this.#answered });
    const { id, name, roles } = state.profile;
    this.#deliver([{ type: 'welcome', resumed: false, reason, cursor, state, user: { id, name, roles } }]);
    this.#tellLacks();
    return cursor;
  }

  /** Makes a notice of what the latest answer said of the server's health, where that is news. */
  #tellLacks() {
    if (this.#lacks === this.#told) return;
    this.#told = this.#lacks;
    const lacking = this.#lacks.split(',').map((name) => name.trim());
    const data = Object.fromEntries(ABILITIES.map((name) => [name, !lacking.includes(name)]));
    this.#deliver([{ type: 'notice', topic: 'health', data }]);
  }

  /** @param {Frame[]} frames */
  #deliver(frames) {
    if (!this.#abort.signal.aborted) this.#sink.frames(frames);
  }

  /** @param {Loss} loss */
  #end(loss) {
    if (this.#abort.signal.aborted) return;
    this.close();
    this.#sink.lost(loss);
  }
}
