/**
 * A browser with several tabs: locks as the Web Locks API queues, steals and aborts them, and a
 * channel that delivers to all others a moment later. A frozen tab runs nothing and hears later.
 */
export class FakeBrowser {
  #held = new Map();
  #queues = new Map();
  channels = new Set();

  constructor(clock) {
    this.clock = clock;
  }

  /** The surroundings of one more tab. */
  tab() {
    return new FakeTab(this);
  }

  request(tab, name, { steal = false, ifAvailable = false, signal }, run) {
    return new Promise((resolve, reject) => {
      const wish = { tab, name, run, resolve, reject };
      if (steal) {
        const holder = this.#held.get(name);
        this.#held.delete(name);
        holder?.reject(new DOMException('stolen', 'AbortError'));
        return this.#grant(wish);
      }
      if (ifAvailable && (this.#held.has(name) || this.#queue(name).length)) return resolve(run(false));
      this.#queue(name).push(wish);
      signal?.addEventListener('abort', () => this.#cancel(wish));
      this.clock.setTimeout(() => this.#next(name), 0);
    });
  }

  /** A tab is gone, or its process was killed. */
  forget(tab) {
    for (const [name, queue] of this.#queues) this.#queues.set(name, queue.filter((wish) => wish.tab !== tab));
    for (const [name, wish] of this.#held) if (wish.tab === tab) this.#release(wish, name);
    for (const channel of this.channels) if (channel.tab === tab) this.channels.delete(channel);
  }

  #queue(name) {
    if (!this.#queues.has(name)) this.#queues.set(name, []);
    return this.#queues.get(name);
  }

  #cancel(wish) {
    const queue = this.#queue(wish.name);
    if (!queue.includes(wish)) return;
    queue.splice(queue.indexOf(wish), 1);
    wish.reject(new DOMException('aborted', 'AbortError'));
  }

  #next(name) {
    if (this.#held.has(name)) return;
    const wish = this.#queue(name).shift();
    if (wish) this.#grant(wish);
  }

  #grant(wish) {
    this.#held.set(wish.name, wish);
    const done = Promise.resolve(wish.run(true));
    done.then(wish.resolve, wish.reject).then(() => this.#release(wish, wish.name));
  }

  #release(wish, name) {
    if (this.#held.get(name) !== wish) return;
    this.#held.delete(name);
    this.clock.setTimeout(() => this.#next(name), 0);
  }
}

class FakeTab {
  isFrozen = false;
  #waiting = [];

  constructor(browser) {
    this.browser = browser;
    this.env = {
      requestLock: (name, options, run) => browser.request(this, name, options, run),
      openChannel: (name) => this.#open(name),
      listenFreeze: () => () => undefined,
    };
  }

  /** Its clock stands still as long as it is frozen. */
  clockOf(clock) {
    // What was due while it was frozen can still be called off, as in a browser.
    const cancelled = new Set();
    return {
      now: clock.now,
      clearTimeout: (timer) => cancelled.add(timer),
      setTimeout: (run, ms) => {
        const timer = clock.setTimeout(() => this.run(() => cancelled.has(timer) || run()), ms);
        return timer;
      },
    };
  }

  run(task) {
    if (this.isFrozen) this.#waiting.push(task);
    else task();
  }

  thaw() {
    this.isFrozen = false;
    for (const task of this.#waiting.splice(0)) task();
  }

  close() {
    this.browser.forget(this);
    this.isFrozen = true;
  }

  #open(name) {
    const { browser } = this;
    const channel = {
      tab: this,
      name,
      onmessage: null,
      close: () => browser.channels.delete(channel),
      postMessage: (message) => {
        const copy = structuredClone(message);
        for (const other of browser.channels) {
          if (other === channel || other.name !== name) continue;
          browser.clock.setTimeout(() => browser.channels.has(other) && other.tab.run(() => other.onmessage?.({ data: structuredClone(copy) })), 1);
        }
      },
    };
    browser.channels.add(channel);
    return channel;
  }
}
