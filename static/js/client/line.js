/**
 * The line to the server, as whoever holds it sees it: which way it goes, whether it lives, and what goes out on it.
 *
 * `Ladder` knows over which link, `Pulse` whether it lives, `Dispatcher` what to send; here
 * frames find the part that they are for. It changes the replica and tells nobody: who owns
 * it publishes after each batch.
 *
 * @import {Auth, Entry, Environment, Frame, Loss, Welcome} from './types.js'
 * @import {Replica} from './replica.js'
 * @import {Standing} from './ladder.js'
 */
import { formatCursor, parseCursor } from './cursor.js';
import { Dispatcher } from './dispatcher.js';
import { Http } from './http.js';
import { uuid7 } from './ids.js';
import { Ladder } from './ladder.js';
import { EventsLink } from './links/events.js';
import { PollLink } from './links/poll.js';
import { SocketLink } from './links/socket.js';
import { Pulse } from './pulse.js';

export const VERSION = '1.0.0';
/** A socket that was asked this often and has been silent for this long is taken for dead. */
const UNHEARD_MS = 6000;

export class Line {
  #env;
  #auth;
  #client;
  #replica;
  #time;
  #problem;
  #dispatcher;
  #pulse;
  #ladder;
  #changed;
  /** @type {Set<string>} */
  #topics = new Set();
  /** @type {string | null} The cursor that the latest hello carried. */
  #greetedAt = null;
  /** @type {any} */
  #refreshTimer = null;
  /** No link since the line was found dead. */
  isOffline = false;
  /** @type {Welcome['user'] | null} */
  user = null;
  /** What the server said that it cannot do just now, sorted, with spaces between: `saving`, `uploads`, `prompt`. */
  lacks = '';

  /**
   * @param {object} parts
   * @param {Environment} parts.env
   * @param {string} parts.origin
   * @param {Auth | null} parts.auth
   * @param {string} parts.name
   * @param {string[] | null} parts.transports  Which ones may be used; all of them if null.
   * @param {Replica} parts.replica
   * @param {import('./server-clock.js').ServerClock} parts.time
   * @param {(frames: Frame[], isNewLink: boolean) => void} parts.arrived  Ends in a call of `take`.
   * @param {() => void} parts.changed
   * @param {(error: unknown) => void} parts.problem
   */
  constructor({ env, origin, auth, name, transports, replica, time, arrived, changed, problem }) {
    this.#env = env;
    this.#auth = auth;
    this.#client = { id: uuid7(env.clock.now(), env.randomBytes), name, version: VERSION };
    this.#replica = replica;
    this.#time = time;
    this.#changed = changed;
    this.#problem = problem;
    const send = (/** @type {Frame[]} */ frames) => this.#ladder.send(frames);
    this.#dispatcher = new Dispatcher({ clock: env.clock, replica, send, changed });
    this.#pulse = new Pulse({
      clock: env.clock,
      send,
      cursor: () => replica.cursor,
      giveUp: (reason) => this.giveUp({ kind: 'broken', reason }),
      changed,
    });
    const http = new Http(env, origin, auth);
    const hasSession = () => Boolean(replica.base.session);
    const rungs = [
      { name: 'socket', patience: 2, make: (/** @type {import('./types.js').Sink} */ sink) => new SocketLink(env, origin, sink) },
      { name: 'events', patience: 1, make: (/** @type {import('./types.js').Sink} */ sink) => new EventsLink(env, http, sink, hasSession) },
      { name: 'poll', patience: 1, make: (/** @type {import('./types.js').Sink} */ sink) => new PollLink(env, http, sink, hasSession) },
    ];
    this.#ladder = new Ladder({
      env,
      rungs: transports ? rungs.filter((rung) => transports.includes(rung.name)) : rungs,
      hello: () => this.#hello(),
      onFrames: arrived,
      onStanding: () => this.#stood(),
      reauthenticate: (loss) => this.#reauthenticate(loss),
    });
  }

  /** @returns {Standing} */
  get standing() {
    return this.#ladder.standing;
  }

  get isBehind() {
    return this.#pulse.isBehind;
  }

  start() {
    this.#ladder.start();
  }

  /** Ends the link; the server hears a goodbye if it can. */
  stop() {
    this.#ladder.send([{ type: 'bye' }]);
    this.#ladder.stop();
  }

  nudge() {
    this.#ladder.nudge();
  }

  /** @param {Loss} loss */
  giveUp(loss) {
    this.#ladder.giveUp(loss);
  }

  /** @param {'active' | 'idle' | 'hidden'} activity */
  set activity(activity) {
    this.#pulse.activity = activity;
  }

  /** @param {string} topic */
  subscribe(topic) {
    if (this.#topics.has(topic)) return;
    this.#topics.add(topic);
    this.#ladder.send([{ type: 'subscribe', topic }]);
  }

  /** @param {string} topic */
  unsubscribe(topic) {
    if (this.#topics.delete(topic)) this.#ladder.send([{ type: 'unsubscribe', topic }]);
  }

  /** Sends what may be sent now, and lets go of a socket that nobody seems to read. */
  pump() {
    this.#dispatcher.pump();
    if (this.#dispatcher.isUnheard && this.#pulse.silenceMs > UNHEARD_MS) this.giveUp({ kind: 'broken', reason: 'unheard' });
    this.#pulse.moved();
  }

  /** @param {Frame[]} frames  @param {(frame: Frame) => void} told  Called before each takes effect. @param {boolean} isNewLink */
  take(frames, told, isNewLink) {
    this.#pulse.heard(frames);
    for (const frame of frames) {
      told(frame);
      this.#handle(frame, isNewLink);
    }
  }

  /** @param {Frame & any} frame  @param {boolean} isNewLink */
  #handle(frame, isNewLink) {
    switch (frame.type) {
      case 'welcome':
        return this.#welcome(frame, isNewLink);
      case 'entry':
        return this.#entry(frame);
      case 'verdict':
        return this.#replica.settle(frame);
      case 'notice':
        if (frame.topic === 'health') this.lacks = lackingOf(frame.data);
        return;
      case 'heartbeat':
        return this.#time.learn(frame.time);
      case 'unanswered':
        return this.#dispatcher.unanswered(frame.mid);
      case 'refreshed':
        return this.#refreshLater(frame.expires_in_s);
      case 'error':
        if (frame.mid) return this.#dispatcher.refused(frame.mid, frame.error);
        return this.#problem(frame.error);
    }
  }

  /** @returns {Promise<Frame>} */
  async #hello() {
    const token = await this.#auth?.token(false);
    this.#greetedAt = this.#replica.cursor && formatCursor(this.#replica.cursor);
    return {
      type: 'hello',
      client: this.#client,
      ...(token ? { token } : {}),
      ...(this.#greetedAt ? { cursor: this.#greetedAt } : {}),
    };
  }

  /** @param {Loss} loss  @returns {Promise<boolean>} */
  async #reauthenticate(loss) {
    // A cookie cannot be renewed from here, but it may outlive the token of one connection.
    if (!this.#auth) return loss.code === 4203;
    try {
      return (await this.#auth.token(true)) !== null;
    } catch {
      return false;
    }
  }

  /** @param {Welcome} welcome  @param {boolean} isNewLink */
  #welcome(welcome, isNewLink) {
    if (welcome.user) this.user = welcome.user;
    // Whoever has something to say of its health says it behind the welcome.
    if (isNewLink) this.lacks = '';
    this.#time.learn(welcome.server_time);
    this.#adopt(welcome);
    this.#pulse.start(welcome);
    if (!isNewLink) return;
    this.#dispatcher.linkUp({ takesBatches: this.#ladder.standing.rung !== 'socket', limits: welcome.limits });
    this.#ladder.send([...this.#topics].map((topic) => ({ type: 'subscribe', topic })));
    this.#refreshLater(welcome.token_expires_in_s);
  }

  /** Takes the state of a greeting, unless another link has brought us further meanwhile. @param {Welcome} greeting */
  #adopt({ cursor, state, resumed }) {
    const theirs = parseCursor(cursor);
    if (resumed || !state || !theirs) return;
    const own = this.#replica.cursor;
    const hasMoved = (own && formatCursor(own)) !== this.#greetedAt;
    if (own && hasMoved && own.epoch === theirs.epoch && own.user >= theirs.user && own.all >= theirs.all) return;
    this.#replica.reset(theirs, state);
  }

  /** @param {Entry} entry */
  #entry(entry) {
    if (this.#replica.applyEntry(entry) !== 'gap') return;
    const own = this.#replica.cursor;
    if (own) this.#pulse.missed({ ...own, [entry.stream]: entry.seq });
  }

  #stood() {
    const { phase } = this.#ladder.standing;
    if (phase === 'up' || phase === 'blocked' || phase === 'stopped') this.isOffline = false;
    if (phase === 'offline') this.isOffline = true;
    // While it is up, the welcome that follows tells the rest.
    if (phase === 'up') return;
    this.#pulse.stop();
    this.#dispatcher.linkDown();
    this.#env.clock.clearTimeout(this.#refreshTimer);
    this.#changed();
  }

  /** @param {number | undefined} expiresInS */
  #refreshLater(expiresInS) {
    this.#env.clock.clearTimeout(this.#refreshTimer);
    const auth = this.#auth;
    if (!auth || !expiresInS) return;
    const refresh = async () => {
      const token = await auth.token(true).catch(() => null);
      if (token) this.#ladder.send([{ type: 'refresh', token }]);
    };
    // At 80 % of its life: early enough for a second chance.
    this.#refreshTimer = this.#env.clock.setTimeout(() => void refresh(), expiresInS * 800);
  }
}

/** @param {import('./types.js').Json} health  @returns {string} */
function lackingOf(health) {
  return Object.keys(health ?? {}).filter((name) => health[name] === false).sort().join(' ');
}
