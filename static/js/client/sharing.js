/**
 * Sharing one line: what the tab that holds it tells the others, and what they ask of it.
 *
 * The holder numbers what it tells. Who misses a number, was asleep or is new gets the whole
 * instead. What a tab does goes into the common outbox first and is told then, so the
 * holder may vanish at any moment: its successor finds everything there.
 *
 * @import {Change, Environment, Saving} from './types.js'
 *
 * @typedef {'active' | 'idle' | 'hidden'} Activity
 *
 * @typedef {object} Desk  What a tab can do with what it hears.
 * @property {() => void} lead
 * @property {() => void} follow
 * @property {() => void} turnedAway
 * @property {() => any} whole  Everything that another tab has to know.
 * @property {(whole: any) => void} adopt
 * @property {(news: any) => void} hear
 * @property {(saving: Saving) => void} added  Another tab has put something into the outbox.
 * @property {(mid: string) => void} withdraw
 * @property {() => void} nudge
 * @property {(topic: string) => void} subscribe
 * @property {(account: string | null) => void} account  Another tab signed somebody in or out.
 * @property {() => boolean} isServed  Whether the line is of use as it is.
 * @property {() => void} tick  A tab that is not slowed down lets us feel the time.
 */
import { uuid7 } from './ids.js';
import { Tabs } from './tabs.js';

const ENDED_KEPT = 200;
/** How long a tab that said it was looked at counts as such. */
const LOOKED_AT_MS = 5000;
/** @type {Activity[]} */
const BY_LIVELINESS = ['active', 'idle', 'hidden'];

export class Sharing {
  #clock;
  #desk;
  #tabs;
  #isVisitor;
  /** Whether we have read what the holder before us left: until then there is nothing whole to tell. */
  #isReady = false;
  #id;
  /** Whose news are heard (or told, by us), and how many there were. */
  #term = '';
  #count = 0;
  /** @type {Map<string, {activity: Activity, at: number}>} */
  #others = new Map();
  /** @type {Change[]} What ended lately, for tabs that missed it. */
  #ended = [];
  /** @type {Activity} */
  #activity = 'active';
  #topics = /** @type {Set<string>} */ (new Set());
  #newTerm;

  /**
   * @param {object} parts
   * @param {Environment} parts.env
   * @param {string} parts.name
   * @param {boolean} parts.isVisitor
   * @param {Desk} parts.desk
   */
  constructor({ env, name, isVisitor, desk }) {
    this.#clock = env.clock;
    this.#desk = desk;
    this.#isVisitor = isVisitor;
    this.#newTerm = () => uuid7(env.clock.now(), env.randomBytes);
    this.#id = this.#newTerm();
    this.#tabs = new Tabs({
      env,
      name,
      isVisitor,
      on: {
        lead: () => this.#lead(),
        follow: () => this.#follow(),
        turnedAway: () => desk.turnedAway(),
        message: (message) => this.#message(message),
        ask: () => this.ask(),
      },
    });
  }

  get isLeading() {
    return this.#tabs.isLeading;
  }

  get isJoined() {
    return this.#tabs.isJoined;
  }

  /** How alive this person is, over all tabs. @returns {Activity} */
  get activity() {
    const since = this.#clock.now() - LOOKED_AT_MS;
    const recent = [...this.#others.values()].filter(({ at }) => at >= since).map(({ activity }) => activity);
    return BY_LIVELINESS.find((one) => one === this.#activity || recent.includes(one)) ?? 'hidden';
  }

  set activity(activity) {
    this.#activity = activity;
    this.#tabs.isWatching = activity !== 'hidden';
    if (!this.isLeading && activity !== 'hidden') this.ask();
  }

  join() {
    this.#tabs.join();
  }

  leave() {
    this.#tabs.tell({ kind: 'gone', from: this.#id });
    this.#tabs.leave();
  }

  /** Asks the holder whether it is there, and says how far we have heard it. */
  ask() {
    const { activity } = this;
    this.#tabs.tell({ kind: 'ask', from: this.#id, term: this.#term, count: this.#count, activity, topics: [...this.#topics] });
  }

  /** The holder tells what has happened. @param {any} news  @param {Change[]} ended */
  tell(news, ended) {
    this.#ended = [...this.#ended, ...ended].slice(-ENDED_KEPT);
    if (!this.#others.size) return;
    this.#count += 1;
    this.#tabs.tell({ kind: 'news', term: this.#term, count: this.#count, ...news, ended });
  }

  /** @param {Saving} saving */
  added({ put = [], remove = [] }) {
    this.#tabs.tell({ kind: 'added', put, remove });
  }

  /** @param {string} mid */
  withdraw(mid) {
    this.#tabs.tell({ kind: 'withdraw', mid });
  }

  nudge() {
    this.#tabs.tell({ kind: 'nudge' });
  }

  /** @param {string | null} account */
  account(account) {
    this.#tabs.tell({ kind: 'account', account });
  }

  /** @param {string} topic */
  subscribe(topic) {
    this.#topics.add(topic);
    if (!this.isLeading && this.isJoined) this.ask();
  }

  /** @param {string} topic */
  unsubscribe(topic) {
    this.#topics.delete(topic);
  }

  #lead() {
    this.#term = this.#newTerm();
    this.#count = 0;
    this.#others.clear();
    this.#isReady = false;
    this.#desk.lead();
  }

  /** Everything is read. Whoever is there asks now, also a hidden tab whose timers sleep: so we know for whom to speak. */
  ready() {
    this.#isReady = true;
    this.#tabs.tell({ kind: 'lead', term: this.#term });
  }

  #follow() {
    this.#term = '';
    this.#desk.follow();
    if (this.isJoined) this.ask();
  }

  /** @param {any} message */
  #message(message) {
    if (message.kind === 'added') return this.#desk.added(message);
    if (message.kind === 'account') return this.#desk.account(message.account);
    if (this.isLeading) return this.#asHolder(message);
    return this.#asOther(message);
  }

  /** @param {any} message */
  #asHolder(message) {
    switch (message.kind) {
      case 'ask':
        // A visitor makes room for whoever came to stay.
        if (this.#isVisitor) return this.#desk.turnedAway();
        this.#others.set(message.from, { activity: message.activity, at: this.#clock.now() });
        for (const topic of message.topics) this.#desk.subscribe(topic);
        this.#answer(message);
        return this.#desk.tick();
      case 'gone':
        return void this.#others.delete(message.from);
      case 'withdraw':
        return this.#desk.withdraw(message.mid);
      case 'nudge':
        return this.#desk.nudge();
    }
  }

  /** @param {{from: string, term: string, count: number}} question */
  #answer({ from, term, count }) {
    const isHidden = this.#activity === 'hidden';
    const here = { term: this.#term, count: this.#count, isHidden };
    if (!this.#isReady || (term === this.#term && count === this.#count)) this.#tabs.tell({ kind: 'here', ...here });
    else this.#tabs.tell({ kind: 'whole', to: from, ...here, ...this.#desk.whole(), ended: this.#ended });
  }

  /** @param {any} message */
  #asOther(message) {
    switch (message.kind) {
      case 'lead':
        this.#tabs.heardHolder();
        return this.ask();
      case 'here':
        this.#tabs.heardHolder();
        // The timers of a tab that nobody looks at sleep: with a line that needs them, we do better.
        if (message.isHidden && this.#activity !== 'hidden' && !this.#desk.isServed()) this.#tabs.takeAway();
        return undefined;
      case 'whole':
        this.#tabs.heardHolder();
        if (message.to !== this.#id) return undefined;
        this.#term = message.term;
        this.#count = message.count;
        return this.#desk.adopt(message);
      case 'news':
        return this.#news(message);
    }
  }

  /** @param {{term: string, count: number}} news */
  #news(news) {
    this.#tabs.heardHolder();
    if (news.term !== this.#term || news.count > this.#count + 1) return this.ask();
    if (news.count <= this.#count) return undefined;
    this.#count = news.count;
    return this.#desk.hear(news);
  }
}
