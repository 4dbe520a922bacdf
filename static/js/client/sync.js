/**
 * Keeping in step: what is true and what is hoped, in this tab, in the others and on the server.
 *
 * One tab holds the line (`Line`) and saves (`Journal`); the others hear from it (`Sharing`)
 * and draw from a replica of their own. All that happens ends in one `publish`: no listener
 * ever sees a state in between.
 *
 * @import {Change, Frame, Json, Saving, Welcome} from './types.js'
 * @import {Connection} from './connection.js'
 * @import {Emitter} from './emitter.js'
 * @import {Replica} from './replica.js'
 */
import { Announcer } from './announcer.js';
import { describe } from './connection.js';
import { formatCursor } from './cursor.js';
import { isPending } from './delivery.js';
import { Journal } from './journal.js';
import { Line } from './line.js';
import { catchUp } from './mirror.js';
import { ServerClock } from './server-clock.js';
import { Sharing } from './sharing.js';
import { within } from './within.js';

/** Longer than this nobody waits for a disk to show what they did. */
const SAVED_WITHIN_MS = 1000;
const LOADED_WITHIN_MS = 10_000;

export class Sync {
  #env;
  #storage;
  #announcer;
  #replica;
  #time;
  #line;
  #sharing;
  /** @type {Journal | null} */
  #journal = null;
  /** @type {Array<{frames: Frame[], isNewLink: boolean}> | null} What came while the account was being changed. */
  #held = null;
  /** @type {Frame[]} What came in since the last publishing, for the other tabs. */
  #frames = [];
  /** @type {Connection | null} What the other tabs know of it. */
  #told = null;
  /** @type {string | null} */
  account = null;
  /** @type {Welcome['user'] | null} */
  user = null;

  /**
   * @param {Required<import('./client.js').Parts>} parts
   * @param {Replica} replica
   * @param {Emitter} events
   */
  constructor({ origin, env, storage, auth, name, shareAs, isVisitor, transports }, replica, events) {
    this.#env = env;
    this.#storage = storage;
    this.#announcer = new Announcer(events, replica);
    this.#replica = replica;
    this.#time = new ServerClock(env.clock);
    this.#line = new Line({
      env,
      origin,
      auth,
      name,
      transports,
      replica,
      time: this.#time,
      arrived: (frames, isNewLink) => this.#receive(frames, isNewLink),
      changed: () => this.publish(),
      problem: (error) => this.#announcer.complain(error),
    });
    this.#sharing = new Sharing({
      env,
      name: shareAs,
      isVisitor,
      desk: {
        lead: () => void this.#lead(),
        follow: () => this.#follow(),
        turnedAway: () => this.#announcer.turnedAway(),
        whole: () => this.#whole(),
        adopt: (whole) => void this.#adopt(whole),
        hear: (news) => this.#hear(news),
        added: (saving) => this.#added(saving),
        withdraw: (mid) => this.withdraw(mid),
        nudge: () => this.nudge(),
        subscribe: (topic) => this.#line.subscribe(topic),
        account: (account) => void this.#switched(account),
        isServed: () => ['live', 'limited', 'catching_up'].includes(this.connection.status),
        tick: () => this.#tick(),
      },
    });
  }

  get cursor() {
    return this.#replica.cursor && formatCursor(this.#replica.cursor);
  }

  get connection() {
    return this.#announcer.connection;
  }

  /** Whether this tab is the one that holds the line. */
  get isLeading() {
    return this.#sharing.isLeading;
  }

  now() {
    return this.#time.now();
  }

  nudge() {
    if (this.isLeading) this.#line.nudge();
    else this.#sharing.nudge();
  }

  /** @param {'active' | 'idle' | 'hidden'} activity */
  setActivity(activity) {
    this.#sharing.activity = activity;
    this.#tick();
  }

  async open() {
    if (this.connection.status === 'stopped') this.#announcer.say({ status: 'connecting' });
    const account = await this.#storage.account();
    if (account !== null && account !== this.account) await this.#become(account);
    if (this.#storage.problem) this.#announcer.complain(this.#storage.problem);
    this.publish();
    this.#sharing.join();
  }

  /** Somebody has just signed in: they can begin before the line is there. @param {string} account */
  async enter(account) {
    if (account !== this.account) await this.#become(account);
    const wasJoined = this.#sharing.isJoined;
    if (wasJoined) this.publish();
    else await this.open();
    this.#sharing.account(account);
    if (wasJoined && this.isLeading) this.#restart();
  }

  async close() {
    await this.#journal?.flush();
    this.#sharing.leave();
    this.#line.stop();
    await this.#journal?.flush();
    this.#announcer.say({ status: 'stopped', transport: null, retryAt: null });
  }

  /** Nobody is signed in here any longer. @param {boolean} erase  Also what was not sent yet is forgotten. */
  async leave(erase) {
    const { account } = this;
    await this.#journal?.flush();
    await this.#storage.setAccount(null);
    this.#sharing.account(null);
    this.#forgetHere();
    await this.close();
    if (erase && account) await this.#storage.clear(account);
  }

  /** @param {string} topic  @param {(data: Json) => void} listener  @returns {() => void} */
  subscribe(topic, listener) {
    this.#announcer.listen(topic, listener);
    this.#sharing.subscribe(topic);
    this.#line.subscribe(topic);
    return () => {
      if (!this.#announcer.unlisten(topic, listener)) return;
      this.#sharing.unsubscribe(topic);
      this.#line.unsubscribe(topic);
    };
  }

  /** Into the outbox first, then it shows, then it goes out. @param {Change} change  @param {boolean} isValid */
  async take(change, isValid) {
    const journal = this.#journal;
    const { account } = this;
    await this.#announcer.whileSaving(within(this.#env.clock, journal?.note({ put: [change] }), SAVED_WITHIN_MS));
    // Somebody else has come in meanwhile: it waits in the outbox of who did it.
    if (account !== this.account) return this.#announcer.say({});
    this.#sharing.added({ put: [this.#replica.begin(change, isValid)] });
    this.publish();
  }

  /** @param {string} mid  @returns {boolean} Whether it can be; in another tab than the holder's it is asked for. */
  withdraw(mid) {
    const change = this.#replica.change(mid);
    if (!change || change.delivery !== 'queued' || change.attempts > 0) return false;
    if (!this.isLeading) {
      this.#sharing.withdraw(mid);
      return true;
    }
    const done = this.#replica.withdraw(mid);
    this.publish();
    return done;
  }

  /** @param {string} mid */
  acknowledge(mid) {
    this.#replica.acknowledge(mid);
    this.publish();
  }

  /** Ends a batch: what may be sent goes, everybody hears of it once, and what counts is saved. */
  publish() {
    if (this.isLeading) this.#line.pump();
    const { steps, ended, isChanged } = this.#replica.takeNews();
    const saving = this.#replica.takeSaving();
    if (saving) void this.#journal?.note(saving);
    this.#announcer.show(steps, ended, isChanged);
    const frames = this.#frames;
    this.#frames = [];
    if (!this.isLeading) {
      if (saving?.remove?.length) this.#sharing.added({ remove: saving.remove });
      return this.#announcer.say({});
    }
    this.#announcer.say(describe(this.#line.standing, this.#line));
    const { connection, user } = this;
    if (saving || isChanged || frames.length || connection !== this.#told) {
      this.#sharing.tell({ saving, steps, frames, connection, user, offsetMs: this.#time.offsetMs }, ended);
    }
    this.#told = connection;
  }

  /** @param {Frame[]} frames  @param {boolean} isNewLink */
  #receive(frames, isNewLink) {
    if (this.#held) return void this.#held.push({ frames, isNewLink });
    const greeting = frames.find((frame) => frame.type === 'welcome' && frame.user);
    if (greeting && String(greeting.user.id) !== this.account) {
      this.#held = [{ frames, isNewLink }];
      return void this.#changeAccount(/** @type {Welcome & Frame} */ (greeting));
    }
    this.#line.activity = this.#sharing.activity;
    this.#line.take(frames, (frame) => this.#announcer.heard(frame), isNewLink);
    this.user = this.#line.user ?? this.user;
    this.#frames.push(...frames);
    this.publish();
  }

  // -- with the other tabs ------------------------------------------------------------------

  /** We hold the line now. What the one before us left is in the outbox. */
  async #lead() {
    const account = await within(this.#env.clock, this.#storage.account(), LOADED_WITHIN_MS);
    if (account && account !== this.account) {
      await this.#become(account);
    } else if (this.account) {
      const saved = await within(this.#env.clock, this.#storage.load(this.account), LOADED_WITHIN_MS);
      if (saved) this.#replica.takeOver(saved);
    }
    if (!this.isLeading) return;
    this.#sharing.ready();
    for (const topic of this.#announcer.topics) this.#line.subscribe(topic);
    this.#line.start();
    this.publish();
  }

  #follow() {
    this.#line.stop();
    // Whoever holds the line now judges what became of what we sent, and saves it.
    this.#replica.takeSaving();
  }

  #restart() {
    this.#line.stop();
    this.#line.start();
  }

  /** What a tab has to know that has missed something. */
  #whole() {
    const { account, user, connection, cursor } = this;
    const { base: state, changes } = this.#replica;
    return { account, user, connection, cursor, state, changes, offsetMs: this.#time.offsetMs };
  }

  /** @param {any} whole */
  async #adopt(whole) {
    if (whole.account !== this.account) return whole.account === null ? undefined : this.#switched(whole.account);
    const { ended, unheard } = catchUp(this.#replica, whole);
    if (unheard.length) this.#sharing.added({ put: unheard });
    return this.#hear({ ...whole, saving: null, steps: [], frames: [], ended });
  }

  /** @param {any} news */
  #hear({ saving, steps, ended, frames, connection, user, offsetMs }) {
    if (saving) this.#replica.follow(saving, ended);
    this.user = user;
    this.#time.offsetMs = offsetMs;
    for (const frame of frames) this.#announcer.heard(frame);
    this.#announcer.show(steps, ended, this.#replica.takeNews().isChanged);
    this.#announcer.say(connection);
  }

  /** @param {Saving} saving */
  #added({ put = [], remove = [] }) {
    for (const change of put) if (!this.#replica.change(change.mid)) this.#replica.add(change);
    for (const mid of remove) this.#replica.acknowledge(mid);
    // It was saved where it was done; what follows from it is for the holder to save.
    if (!this.isLeading) this.#replica.takeSaving();
    this.publish();
  }

  #tick() {
    if (!this.isLeading) return;
    this.#line.activity = this.#sharing.activity;
    if (this.#replica.changes.some(isPending)) this.publish();
  }

  // -- whose it is --------------------------------------------------------------------------

  /** Another tab signed somebody in or out. @param {string | null} account */
  async #switched(account) {
    if (account === this.account) return this.isLeading ? this.#restart() : undefined;
    if (account === null) this.#forgetHere();
    else await this.#become(account);
    this.publish();
    this.#announcer.switched(account);
    if (this.isLeading) this.#restart();
    else this.#sharing.ask();
  }

  /** @param {Welcome} greeting */
  async #changeAccount(greeting) {
    const hadAnother = this.account !== null;
    await this.#journal?.flush();
    await this.#become(String(greeting.user?.id));
    this.#sharing.account(this.account);
    const held = this.#held ?? [];
    this.#held = null;
    // Another person's cursor was sent: what followed it is not to be applied to anybody.
    if (hadAnother && greeting.resumed) return this.#line.giveUp({ kind: 'again', reason: 'another account' });
    for (const { frames, isNewLink } of held) this.#receive(frames, isNewLink);
  }

  /** @param {string} account */
  async #become(account) {
    this.account = account;
    this.user = null;
    this.#journal = new Journal(this.#storage, account, this.#env.clock, (error) => this.#announcer.complain(error));
    this.#replica.restore(await this.#storage.load(account));
    await this.#storage.setAccount(account);
  }

  #forgetHere() {
    this.account = null;
    this.user = null;
    this.#journal?.drop();
    this.#journal = null;
    this.#replica.restore({ cursor: null, state: {}, changes: [] });
    this.publish();
  }
}
