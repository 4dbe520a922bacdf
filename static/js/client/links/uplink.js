/**
 * The way up where there is no socket: the socket's frames, spoken over REST.
 *
 * Both links without a socket share this. Mutations go in order, one request at a time; the
 * lobby is asked for every few seconds; an open session is kept alive by heartbeats.
 *
 * @import {Environment, Frame, Json, Sink} from '../types.js'
 * @import {Http} from '../http.js'
 */
import { localError } from '../errors.js';
import { HttpError } from '../http.js';

export const LOBBY_EVERY_MS = 5000;
export const HEARTBEAT_EVERY_MS = 30_000;

export class Uplink {
  #env;
  #http;
  #sink;
  #hasSession;
  #abort = new AbortController();
  /** @type {Frame[]} */
  #mutations = [];
  /** @type {Set<string>} Asked and not yet answered: asking again would not make it faster. */
  #underway = new Set();
  #busy = false;
  /** @type {Map<string, any>} */
  #timers = new Map();

  /**
   * @param {Environment} env
   * @param {Http} http
   * @param {Sink} sink
   * @param {() => boolean} hasSession  Whether there is an idle session to keep alive.
   */
  constructor(env, http, sink, hasSession) {
    this.#env = env;
    this.#http = http;
    this.#sink = sink;
    this.#hasSession = hasSession;
  }

  start() {
    this.#every('heartbeat', HEARTBEAT_EVERY_MS, () => this.#heartbeat());
  }

  /** @param {Frame[]} frames */
  send(frames) {
    for (const frame of frames) {
      if (frame.type === 'mutate') this.#take(frame);
      else if (frame.type === 'subscribe' && frame.topic === 'lobby') this.#watchLobby();
      else if (frame.type === 'unsubscribe') this.#cease(frame.topic);
    }
    void this.#flush();
  }

  close() {
    for (const name of [...this.#timers.keys()]) this.#cease(name);
    this.#abort.abort();
  }

  /** @param {Frame} mutation */
  #take(mutation) {
    if (this.#underway.has(mutation.mid)) return;
    this.#underway.add(mutation.mid);
    this.#mutations.push(mutation);
  }

  async #flush() {
    if (this.#busy || !this.#mutations.length) return;
    this.#busy = true;
    const batch = this.#mutations.splice(0, 100);
    const frames = await this.#post(batch);
    this.#busy = false;
    for (const { mid } of batch) this.#underway.delete(mid);
    if (this.#abort.signal.aborted) return;
    this.#sink.frames(frames);
    if (frames.some((frame) => frame.error?.class === 'auth')) return this.#sink.lost({ kind: 'auth', reason: 'mutation' });
    void this.#flush();
  }

  /** @param {Frame[]} batch  @returns {Promise<Frame[]>} What a socket would have said to each of them. */
  async #post(batch) {
    const mutations = batch.map(({ type: _type, ...mutation }) => mutation);
    let answer;
    try {
      answer = await this.#http.json('/api/mutations', { method: 'POST', body: { mutations }, signal: this.#abort.signal });
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      // No answer, or one from a proxy, says nothing about what became of them.
      if (error.status === 0 || error.error.code === 'unreadable') return batch.map(({ mid }) => ({ type: 'unanswered', mid }));
      return batch.map(({ mid }) => ({ type: 'error', mid, error: error.error }));
    }
    const frames = (answer.verdicts ?? []).map(frameOfVerdict);
    if (answer.cursor) frames.push({ type: 'heartbeat', cursor: answer.cursor });
    return frames;
  }

  #watchLobby() {
    this.#every('lobby', LOBBY_EVERY_MS, () => this.#lobby());
    void this.#lobby();
  }

  async #lobby() {
    const data = await this.#ask('/api/lobby');
    if (data && this.#timers.has('lobby')) this.#sink.frames([{ type: 'notice', topic: 'lobby', data }]);
  }

  async #heartbeat() {
    if (this.#hasSession()) await this.#ask('/api/sessions/heartbeat', { method: 'POST', body: {} });
  }

  /**
   * Asks for what can be asked for again: a failure is left to the next time.
   *
   * @param {string} path
   * @param {import('../http.js').Request} [request]
   * @returns {Promise<Json | null>}
   */
  async #ask(path, request = {}) {
    try {
      return await this.#http.json(path, { ...request, signal: this.#abort.signal });
    } catch (error) {
      if (error instanceof HttpError) return null;
      throw error;
    }
  }

  /** @param {string} name  @param {number} ms  @param {() => unknown} run */
  #every(name, ms, run) {
    this.#cease(name);
    const again = () => {
      this.#timers.set(name, this.#env.clock.setTimeout(again, ms));
      void run();
    };
    this.#timers.set(name, this.#env.clock.setTimeout(again, ms));
  }

  /** @param {string} name */
  #cease(name) {
    this.#env.clock.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

/** @param {Json} verdict  @returns {Frame} */
function frameOfVerdict(verdict) {
  if (verdict.status === 'error') return { type: 'error', mid: verdict.mid, error: verdict.error };
  if (verdict.status === 'not_run') return { type: 'error', mid: verdict.mid, error: localError('not_run') };
  return { ...verdict, type: 'verdict' };
}
