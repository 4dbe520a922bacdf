/**
 * The client's face: what one person may do and see on this device.
 *
 * Whatever is done shows at once, is saved, and is sent as soon as it can be; `Sync` sees
 * to that. Whatever is refused stays here until the person has acknowledged it.
 *
 * @import {Auth, Change, Environment, Json, State, Storage} from './types.js'
 * @import {Connection} from './connection.js'
 *
 * @typedef {object} Parts
 * @property {string} origin  `http(s)://host[:port]` of the server.
 * @property {Environment} env
 * @property {Storage} storage
 * @property {Auth | null} [auth]  Without it the browser's cookie says who it is.
 * @property {string} [name]  What this client calls itself.
 * @property {string} [shareAs]  Clients of one browser with this name share one line and one outbox.
 * @property {boolean} [isVisitor]  Takes the line only if nobody has it; else there is `turned_away`.
 * @property {string[] | null} [transports]  Only these of `socket`, `events` and `poll`.
 */
import { isFailed } from './delivery.js';
import { Emitter } from './emitter.js';
import { localError } from './errors.js';
import { uuid7 } from './ids.js';
import { checkArgs } from './mutations.js';
import { Replica } from './replica.js';
import { Sync } from './sync.js';

export class IdlingClient {
  #env;
  #events = new Emitter();
  #replica = new Replica();
  #sync;
  /** @type {Map<string, (change: Change) => void>} */
  #ends = new Map();
  #newestAt = 0;

  /** @param {Parts} parts */
  constructor({ origin, env, storage, auth = null, name = 'idling-web', shareAs = 'idling.line', isVisitor = false, transports = null }) {
    this.#env = env;
    const parts = { origin, env, storage, auth, name, shareAs, isVisitor, transports };
    this.#sync = new Sync(parts, this.#replica, this.#events);
    this.#events.on('ended', (change) => {
      this.#ends.get(change.mid)?.(change);
      this.#ends.delete(change.mid);
    });
  }

  /** What is true, with what this person has done since over it. @returns {State} */
  get view() {
    return this.#replica.view;
  }

  /** What the server has confirmed, and nothing else. @returns {State} */
  get confirmed() {
    return this.#replica.base;
  }

  /** Changes that are not over: waiting for a verdict, or refused and not acknowledged. @returns {Change[]} */
  get changes() {
    return this.#replica.changes;
  }

  /** @returns {Connection} */
  get connection() {
    return this.#sync.connection;
  }

  /** @returns {string | null} How far both streams are applied here. */
  get cursor() {
    return this.#sync.cursor;
  }

  /** Whether this tab is the one that holds the line for all. */
  get holdsLine() {
    return this.#sync.isLeading;
  }

  /** Who is signed in, as far as it is known without asking. */
  get user() {
    const { id, name } = this.view.profile ?? {};
    return this.#sync.user ?? (id === undefined ? null : { id, name });
  }

  /** The server's time (ms since 1970), for drawing clocks. */
  now() {
    return this.#sync.now();
  }

  /**
   * Events: `view` (the state to show), `changes`, `connection`, `ended` (a change that got
   * its verdict), `step` (one step of a change's journey), `frame` (all that comes in), `problem`,
   * `account` (another tab signed somebody in or out) and `turned_away`.
   *
   * @param {'view' | 'changes' | 'connection' | 'ended' | 'step' | 'frame' | 'problem' | 'account' | 'turned_away'} event
   * @param {(value: any) => void} listener
   * @returns {() => void} How to stop listening.
   */
  on(event, listener) {
    return this.#events.on(event, listener);
  }

  /** Shows what was saved, then goes for the line. */
  open() {
    return this.#sync.open();
  }

  /** Like `open`, for somebody who has just signed in: they may begin before the line is there. @param {number | string} userId */
  enter(userId) {
    return this.#sync.enter(String(userId));
  }

  /** Says goodbye and stops. What is pending stays saved. */
  close() {
    return this.#sync.close();
  }

  /** Like `close`, and forgets who was here. With `erase`, also what was not sent yet. @param {{erase?: boolean}} [options] */
  leave({ erase = false } = {}) {
    return this.#sync.leave(erase);
  }

  /** Tries now what would be tried later. */
  retryNow() {
    this.#sync.nudge();
  }

  /** @param {'active' | 'idle' | 'hidden'} activity */
  setActivity(activity) {
    this.#sync.setActivity(activity);
  }

  /**
   * Does something. It shows as soon as it is in the outbox, a moment later. Arguments that
   * cannot be right are refused here, in the same way as the server would.
   *
   * @param {string} name
   * @param {Json} args  An `id` may be that of a thing which is still pending.
   * @param {{ifVersion?: number}} [options]  Only if the thing still has this version.
   * @returns {{mid: string, shown: Promise<void>, done: Promise<Change>}} `shown` once it is in the outbox and in
   *   the view, `done` once it has its verdict.
   */
  mutate(name, args, { ifVersion } = {}) {
    if (this.#sync.account === null) throw new Error('nobody is signed in');
    const mid = this.#newMid();
    const fields = checkArgs(name, args);
    const at = this.now();
    /** @type {Change} */
    const change = { mid, name, args: { ...args }, created_at: at, delivery: 'queued', phase: 'Processing', attempts: 0 };
    if (ifVersion !== undefined) change.if_version = ifVersion;
    if (typeof args.id === 'string') this.#refer(change, args.id);
    if (fields) {
      const error = localError('invalid_arguments', { fields });
      Object.assign(change, { delivery: 'rolled_back', phase: 'ErrorDisplay', error });
    }
    /** @type {Promise<Change>} */
    const done = fields ? Promise.resolve(change) : new Promise((resolve) => this.#ends.set(mid, resolve));
    const shown = this.#sync.take(change, !fields);
    return { mid, shown, done };
  }

  /** The person has seen that a change was refused. @param {string} mid */
  acknowledge(mid) {
    this.#sync.acknowledge(mid);
  }

  /** The same once more, as a new change. @param {string} mid  @param {{ifVersion?: number}} [options] */
  tryAgain(mid, options) {
    const change = this.#replica.change(mid);
    if (!change || !isFailed(change)) return null;
    this.acknowledge(mid);
    return this.mutate(change.name, change.args, options);
  }

  /** Takes back a change that has not left this device. @param {string} mid  @returns {boolean} Whether that is possible. */
  withdraw(mid) {
    return this.#sync.withdraw(mid);
  }

  /**
   * Listens to what is not state: `lobby`.
   *
   * @param {string} topic
   * @param {(data: Json) => void} listener
   * @returns {() => void} How to stop.
   */
  subscribe(topic, listener) {
    return this.#sync.subscribe(topic, listener);
  }

  /** Later ones are greater, also within a millisecond: the outbox is read in this order. */
  #newMid() {
    this.#newestAt = Math.max(this.#newestAt + 1, this.#env.clock.now());
    return uuid7(this.#newestAt, this.#env.randomBytes);
  }

  /** @param {Change} change  @param {string} id  What it is about, maybe something that is not there yet. */
  #refer(change, id) {
    const name = this.#replica.nameOf(id);
    change.args.id = name;
    const mid = name.startsWith('new.') ? name.slice(4) : null;
    if (mid && this.#replica.change(mid)) change.needs = { mid, arg: 'id' };
  }
}
