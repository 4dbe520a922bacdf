/** One event stream of the fake network: what the server writes arrives in order, a little later, unless the line is dead. */
export class FakeStream {
  #controller = null;
  #encoder = new TextEncoder();
  #arrivesAt = 0;

  constructor(net, signal) {
    this.net = net;
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => this.net.streams.delete(this),
    });
    signal?.addEventListener('abort', () => this.net.streams.delete(this));
  }

  start({ reason, entries = [] }) {
    const { world, userId, streams } = this.net;
    streams.add(this);
    const { id, name } = world.user(userId);
    const fresh = reason ? { reason, state: world.snapshot(userId).state } : {};
    this.#write('welcome', { type: 'welcome', cursor: world.cursor(userId), resumed: !reason, user: { id, name }, ...fresh });
    for (const entry of entries) this.entry(entry);
    this.#comment();
  }

  #comment() {
    this.net.clock.setTimeout(() => {
      if (!this.net.streams.has(this)) return;
      if (!this.net.down && !this.net.frozen) this.#controller.enqueue(this.#encoder.encode(': still here\n\n'));
      this.#comment();
    }, 15_000);
  }

  entry(entry) {
    this.#write('entry', entry);
  }

  notice(notice) {
    this.#write('notice', notice);
  }

  /** Says goodbye as a server does that is leaving. */
  end(bye) {
    this.#write('bye', bye);
    this.net.clock.setTimeout(() => {
      this.net.streams.delete(this);
      this.#controller.close();
    }, this.net.latency() + 1);
  }

  fail() {
    this.net.streams.delete(this);
    this.#controller.error(new TypeError('network error'));
  }

  #write(event, data) {
    const { net } = this;
    const bytes = this.#encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    this.#arrivesAt = Math.max(net.clock.now() + net.latency() + net.streamDelayMs, this.#arrivesAt);
    net.clock.setTimeout(() => {
      if (net.streams.has(this) && !net.down && !net.frozen) this.#controller.enqueue(bytes);
    }, this.#arrivesAt - net.clock.now());
  }
}
