/**
 * What listeners are told: each thing once, and only when it has changed.
 *
 * @import {Change, Frame, Json, State} from './types.js'
 * @import {Connection} from './connection.js'
 * @import {Emitter} from './emitter.js'
 * @import {Replica, Stepped} from './replica.js'
 */
import { isPending } from './delivery.js';

export class Announcer {
  #events;
  #replica;
  /** @type {State | null} */
  #shown = null;
  /** @type {Map<string, Set<(data: Json) => void>>} */
  #topics = new Map();
  /** Changes on their way into the outbox. */
  #saving = 0;
  /** @type {Connection} */
  connection = { status: 'stopped', transport: null, retryAt: null, waiting: 0, code: null, lacks: '' };

  /**
   * @param {Emitter} events
   * @param {Replica} replica
   */
  constructor(events, replica) {
    this.#events = events;
    this.#replica = replica;
  }

  /** Topics that somebody listens to. */
  get topics() {
    return [...this.#topics.keys()];
  }

  /** @param {Stepped[]} steps  @param {Change[]} ended  @param {boolean} isChanged */
  show(steps, ended, isChanged) {
    const { view, changes } = this.#replica;
    if (this.#shown !== view) {
      this.#shown = view;
      this.#events.emit('view', view);
    }
    if (isChanged) this.#events.emit('changes', changes);
    for (const step of steps) this.#events.emit('step', step);
    for (const change of ended) this.#events.emit('ended', change);
  }

  /** @param {Partial<Connection>} words  What is to be said of the line; how much waits is known here. */
  say(words) {
    const old = this.connection;
    const next = { ...old, ...words, waiting: this.#saving + this.#replica.changes.filter(isPending).length };
    if (/** @type {const} */ (['status', 'transport', 'retryAt', 'waiting', 'code', 'lacks']).every((key) => next[key] === old[key])) return;
    this.connection = next;
    this.#events.emit('connection', next);
  }

  /** A change waits from the moment that it is done, not only once it is saved. @param {Promise<unknown>} saved */
  async whileSaving(saved) {
    this.#saving += 1;
    this.say({});
    await saved;
    this.#saving -= 1;
  }

  /** @param {Frame} frame */
  heard(frame) {
    this.#events.emit('frame', frame);
    if (frame.type === 'notice') this.#topics.get(frame.topic)?.forEach((listener) => listener(frame.data));
  }

  /** @param {unknown} problem */
  complain(problem) {
    this.#events.emit('problem', problem);
  }

  /** @param {string | null} account  Who is signed in now, by another tab's doing. */
  switched(account) {
    this.#events.emit('account', account);
  }

  turnedAway() {
    this.#events.emit('turned_away');
  }

  /** @param {string} topic  @param {(data: Json) => void} listener */
  listen(topic, listener) {
    this.#topics.set(topic, (this.#topics.get(topic) ?? new Set()).add(listener));
  }

  /** @param {string} topic  @param {(data: Json) => void} listener  @returns {boolean} Whether nobody listens any more. */
  unlisten(topic, listener) {
    const listeners = this.#topics.get(topic);
    if (!listeners?.delete(listener) || listeners.size) return false;
    return this.#topics.delete(topic);
  }
}
