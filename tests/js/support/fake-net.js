/**
 * The network between one device and the model: sockets, SSE, long-poll and REST, with the faults that real ones have.
 *
 * Everything arrives after `latency()` ms of the fake clock, in the order in which it was sent.
 */

import { seeded } from './fake-clock.js';
import { FakeStream } from './fake-stream.js';

/** Bytes for ids: the same in every run, never twice the same in one. */
const bytes = seeded(1);

export class FakeNet {
  /** No socket can be opened. */
  socketsRefused = false;
  /** SSE answers, but a proxy keeps the body. */
  eventsHeld = false;
  /** SSE is not there. */
  eventsRefused = false;
  /** A proxy answers with its own error page, whatever is asked. */
  badGateway = false;
  /** Nothing gets through, and everybody notices. */
  down = false;
  /** Answers to mutations that are lost: the effect stays. */
  loseAnswers = 0;
  /** The line looks open and nothing arrives in either direction. */
  frozen = false;
  /** How often each entry is delivered on a socket. */
  copies = () => 1;
  /** Whether an entry is kept back, which makes a gap. */
  skip = () => false;
  signedIn = true;
  /** What the server says that it cannot do. */
  #lacks = '';
  #polls = new Set();
  /** How much later than usual the events arrive (ms). */
  streamDelayMs = 0;
  /** Called between taking the snapshot of a welcome and sending it; returns how long that takes (ms). */
  beforeWelcome = () => 0;
  heartbeatS = 25;
  sockets = new Set();
  streams = new Set();
  opened = { socket: 0, events: 0, poll: 0, snapshot: 0 };
  posts = [];
  received = [];
  #online = true;
  #listeners = new Set();

  constructor(world, userId, clock, random = seeded(2), latency = () => 5) {
    this.world = world;
    this.userId = userId;
    this.clock = clock;
    this.latency = latency;
    this.env = {
      clock,
      random,
      randomBytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(bytes() * 256)),
      openSocket: (url, protocols) => new FakeSocket(this, url, protocols),
      fetch: (url, init) => this.fetch(url, init),
      network: {
        online: () => this.#online,
        listen: (changed) => {
          this.#listeners.add(changed);
          return () => this.#listeners.delete(changed);
        },
      },
    };
    world.listen(({ userId: whose, entry }) => this.#publish(whose, entry));
  }

  /** The browser's own switch. */
  set online(value) {
    this.#online = value;
    this.down = !value;
    for (const changed of [...this.#listeners]) changed();
  }

  /** The line breaks. */
  cut(code = 1006, bye = null) {
    for (const socket of [...this.sockets]) {
      if (bye) socket.deliver(bye);
      // A close comes after what was said before it.
      if (bye) this.clock.setTimeout(() => socket.finish(code), this.latency() + 1);
      else socket.finish(code);
    }
    for (const stream of [...this.streams]) stream.fail();
  }

  /** The server cannot do this from now on: told to each stream, and to each poll that waits. */
  set lacks(names) {
    this.#lacks = names;
    const data = Object.fromEntries(['saving', 'uploads', 'prompt'].map((name) => [name, !names.split(', ').includes(name)]));
    for (const stream of this.streams) stream.notice({ type: 'notice', topic: 'health', data });
    for (const done of [...this.#polls]) done();
  }

  heartbeat() {
    for (const socket of this.sockets) {
      if (socket.greeted) socket.deliver({ type: 'heartbeat', cursor: this.world.cursor(this.userId), time: new Date(this.clock.now()).toISOString() });
    }
  }

  notice(topic, data) {
    for (const socket of this.sockets) if (socket.topics.has(topic)) socket.deliver({ type: 'notice', topic, data });
  }

  #publish(whose, entry) {
    if (whose !== null && whose !== this.userId) return;
    for (const socket of this.sockets) {
      if (!socket.greeted || this.skip(entry)) continue;
      for (let copy = this.copies(entry); copy > 0; copy -= 1) socket.deliver(entry);
    }
    for (const stream of this.streams) stream.entry(entry);
  }

  fetch(url, init = {}) {
    const path = url.replace(/^https?:\/\/[^/]+/, '');
    return new Promise((resolve, reject) => {
      const fail = () => reject(new TypeError('fetch failed'));
      init.signal?.addEventListener('abort', fail);
      const later = (run) => this.clock.setTimeout(() => (this.down ? fail() : run()), this.latency());
      if (this.frozen) return;
      later(() => {
        if (this.badGateway) return resolve(new Response('<h1>Bad gateway</h1>', { status: 502 }));
        if (!this.signedIn) return resolve(json(401, { code: 'unauthenticated', class: 'auth', message: 'Who?', retryable: false }));
        const answer = this.#route(path, init, (response) => later(() => resolve(response)));
        if (answer) later(() => resolve(answer));
      });
    });
  }

  #route(path, init, answerLater) {
    const { world, userId } = this;
    if (path === '/api/snapshot') {
      this.opened.snapshot += 1;
      return json(200, world.snapshot(userId), this.#headers());
    }
    if (path === '/api/lobby') return json(200, { count: world.members().length, members: world.members() });
    if (path === '/api/mutations') return this.#mutations(JSON.parse(init.body), answerLater);
    if (path.startsWith('/api/events')) return this.#events(path, init, answerLater);
    if (path === '/api/sessions/heartbeat') {
      this.received.push({ type: 'heartbeat' });
      return json(200, {});
    }
    return json(404, {});
  }

  #mutations({ mutations }, answerLater) {
    this.posts.push(mutations);
    const verdicts = [];
    for (const mutation of mutations) {
      if (verdicts.at(-1)?.status === 'error' || verdicts.at(-1)?.status === 'not_run') {
        verdicts.push({ mid: mutation.mid, status: 'not_run' });
        continue;
      }
      const answer = this.world.mutate(this.userId, mutation);
      if (answer.type === 'error') verdicts.push({ mid: mutation.mid, status: 'error', error: answer.error });
      else if (answer.type === 'verdict') verdicts.push({ ...answer, type: undefined });
      else verdicts.push(this.world.user(this.userId).verdicts.get(mutation.mid).verdict);
    }
    if (this.loseAnswers > 0) {
      this.loseAnswers -= 1;
      return null; // the client's deadline ends it
    }
    answerLater(json(200, { verdicts, cursor: this.world.cursor(this.userId) }));
    return null;
  }

  #events(path, init, answerLater) {
    const cursor = new URLSearchParams(path.split('?')[1]).get('cursor');
    const missed = this.world.since(this.userId, cursor);
    if (init.headers.Accept === 'text/event-stream') {
      if (this.eventsRefused) return json(404, {});
      this.opened.events += 1;
      const stream = new FakeStream(this, init.signal);
      if (!this.eventsHeld) stream.start(missed);
      return new Response(stream.body, { headers: { 'Content-Type': 'text/event-stream' } });
    }
    if (missed.reason) return json(410, { code: 'cursor_void', class: 'business', message: 'Gone.', retryable: false, state: '/api/snapshot' });
    this.opened.poll += 1;
    const answer = () => {
      const { entries } = this.world.since(this.userId, cursor);
      const cursorNow = this.world.cursor(this.userId);
      answerLater(
        entries.length ? json(200, { entries, cursor: cursorNow }, this.#headers()) : new Response(null, { status: 204, headers: this.#headers() }),
      );
    };
    if (missed.entries.length) {
      answer();
      return null;
    }
    const timer = this.clock.setTimeout(() => done(), 25_000);
    const stop = this.world.listen(({ userId }) => (userId === null || userId === this.userId) && done());
    const done = () => {
      stop();
      this.#polls.delete(done);
      this.clock.clearTimeout(timer);
      answer();
    };
    this.#polls.add(done);
    return null;
  }

  #headers() {
    return this.#lacks ? { 'Idling-Lacks': this.#lacks } : {};
  }
}

function json(status, body, headers = {}) {
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });
}

class FakeSocket {
  readyState = 0;
  greeted = false;
  topics = new Set();
  #arrivesAt = 0;

  constructor(net, url, protocols) {
    this.net = net;
    this.url = url;
    this.protocols = protocols;
    net.clock.setTimeout(() => {
      if (this.readyState !== 0) return;
      if (net.socketsRefused || net.down) return this.finish(1006);
      net.opened.socket += 1;
      net.sockets.add(this);
      this.readyState = 1;
      this.onopen?.();
    }, net.latency());
  }

  send(text) {
    const { net } = this;
    if (net.frozen) return;
    net.clock.setTimeout(() => this.readyState === 1 && !net.down && this.#handle(JSON.parse(text)), net.latency());
  }

  close(code = 1005) {
    this.finish(code);
  }

  finish(code) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.net.sockets.delete(this);
    this.net.clock.setTimeout(() => this.onclose?.({ code, reason: '' }), 0);
  }

  deliver(frame) {
    const { net } = this;
    if (net.frozen) return;
    const now = net.clock.now();
    this.#arrivesAt = Math.max(now + net.latency(), this.#arrivesAt);
    const text = JSON.stringify(frame);
    net.clock.setTimeout(() => this.readyState === 1 && !net.down && this.onmessage?.({ data: text }), this.#arrivesAt - now);
  }

  #handle(frame) {
    const { net } = this;
    net.received.push(frame);
    if (frame.type === 'hello') return this.#hello(frame);
    if (frame.type === 'resume') return this.#replay(net.world.since(net.userId, frame.cursor).entries ?? []);
    if (frame.type === 'subscribe') {
      this.topics.add(frame.topic);
      return this.deliver({ type: 'subscribed', topic: frame.topic });
    }
    if (frame.type === 'unsubscribe') return this.topics.delete(frame.topic);
    if (frame.type === 'bye') return this.finish(1000);
    if (frame.type !== 'mutate') return undefined;
    const answer = net.world.mutate(net.userId, frame);
    if (net.loseAnswers > 0) {
      net.loseAnswers -= 1;
      this.finish(1006);
    } else if (answer.type !== 'entry') {
      this.deliver(answer);
    }
    return undefined;
  }

  #hello({ cursor }) {
    const { net } = this;
    if (!net.signedIn) return this.finish(4001);
    const missed = net.world.since(net.userId, cursor);
    const { id, name } = net.world.user(net.userId);
    const welcome = {
      type: 'welcome',
      connection: 'c1',
      instance: 'i1',
      user: { id, name, roles: ['member'] },
      cursor: net.world.cursor(net.userId),
      resumed: !missed.reason,
      heartbeat_s: net.heartbeatS,
      limits: { frame_bytes: 32768, messages_per_s: 20, pending_mutations: 8 },
      server_time: new Date(net.clock.now()).toISOString(),
    };
    const { state } = net.world.snapshot(net.userId);
    this.#arrivesAt = Math.max(this.#arrivesAt, net.clock.now() + net.beforeWelcome());
    this.greeted = true;
    if (missed.reason) return this.deliver({ ...welcome, reason: missed.reason, state });
    this.deliver(welcome);
    return this.#replay(missed.entries);
  }

  #replay(entries) {
    for (const entry of entries) this.deliver(entry);
  }
}
