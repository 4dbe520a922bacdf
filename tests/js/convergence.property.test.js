/**
 * Random interleavings: whatever the line does, the view ends up as the server's state, each
 * change takes effect once, and no frame shows an older confirmed value over a newer pending one.
 *
 * `IDLING_SEED=<n>` repeats one run; `IDLING_RUNS=<n>` makes more of them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Device } from './support/device.js';
import { FakeClock, seeded } from './support/fake-clock.js';
import { FakeNet } from './support/fake-net.js';
import { World } from './support/model.js';

const RUNS = Number(process.env.IDLING_RUNS ?? 60);
const FIRST = Number(process.env.IDLING_SEED ?? 1);

/** One device under a random hand, beside a second one that only looks and a server that does things by itself. */
class Run {
  counter = 0;
  mine = new Map();

  constructor(seed) {
    this.random = seeded(seed);
    this.clock = new FakeClock();
    this.world = new World(this.clock.now);
    this.world.addUser(42, 'Ada');
    this.device = this.join();
    this.witness = this.join();
  }

  join() {
    const net = new FakeNet(this.world, 42, this.clock, this.random, () => Math.floor(this.random() * 40));
    net.copies = () => (this.random() < 0.2 ? 2 : 1);
    net.skip = () => this.random() < 0.05;
    return this.watch(new Device(net));
  }

  /** Every frame that is shown is held against what this person did last, every end against what was applied. */
  watch(device) {
    device.client.on('view', (view) => this.check(device, view));
    device.client.on('ended', ({ delivery, seq }) => {
      if (delivery !== 'confirmed') return;
      const applied = Number(device.client.cursor.split('.')[1]);
      assert.ok(seq <= applied, 'over only once its effects are in the state');
    });
    return device;
  }

  check(device, view) {
    const pending = device.client.changes.filter(({ delivery }) => ['queued', 'sent', 'in_doubt', 'confirmed'].includes(delivery));
    const last = (key) => pending.filter(({ args }) => args[key] !== undefined).at(-1)?.args[key];
    for (const key of ['bio', 'name']) {
      const wanted = last(key);
      if (wanted !== undefined) assert.equal(view.profile?.[key], wanted, `an older ${key} over a pending one`);
    }
  }

  pick(choices) {
    return choices[Math.floor(this.random() * choices.length)];
  }

  act() {
    const { client } = this.device;
    const { session } = client.view;
    this.counter += 1;
    const what = this.pick(['bio', 'bio', 'name', 'theme', 'start', 'update', 'pause', 'resume', 'end', 'stale']);
    const n = this.counter;
    if (what === 'bio') return client.mutate('profile.update', { bio: `bio ${n}` });
    if (what === 'name') return client.mutate('profile.update', { name: this.random() < 0.3 ? 'Taken' : `Name ${n}` });
    if (what === 'theme') return client.mutate('preferences.set', { values: { theme: this.pick(['dark', 'light', 'system']) } });
    if (what === 'stale') return client.mutate('profile.update', { bio: `bio ${n}` }, { ifVersion: 1 });
    if (what === 'start') return client.mutate('session.start', { activity: `activity ${n}` });
    if (!session) return null;
    if (what === 'update') return client.mutate('session.update', { id: session.id, activity: `activity ${n}` });
    return client.mutate(`session.${what}`, { id: session.id });
  }

  /** Somebody else's device, or the server itself. */
  elsewhere() {
    this.counter += 1;
    const { session } = this.world.user(42).state;
    const mid = `elsewhere-${this.counter}`;
    const what = this.pick(['bio', 'theme', 'start', 'end', 'announce']);
    if (what === 'bio') this.world.mutate(42, { mid, name: 'profile.update', args: { bio: `elsewhere ${this.counter}` } });
    else if (what === 'theme') this.world.mutate(42, { mid, name: 'preferences.set', args: { values: { theme: 'dark' } } });
    else if (what === 'start') this.world.mutate(42, { mid, name: 'session.start', args: { activity: 'elsewhere' } });
    else if (what === 'end' && session) this.world.mutate(42, { mid, name: 'session.end', args: { id: session.id } });
    else if (what === 'announce') this.world.announce([{ kind: 'x', patch: { announcements: { [`a${this.counter}`]: { title: 'Hi' } } } }]);
  }

  trouble() {
    const { net } = this.device;
    const what = this.pick(['cut', 'cut', 'lose', 'unavailable', 'offline', 'sockets', 'freeze', 'drain', 'reload', 'events', 'expire']);
    if (what === 'cut') net.cut();
    else if (what === 'lose') net.loseAnswers = 1;
    else if (what === 'unavailable') this.world.unavailable = 2;
    else if (what === 'offline') net.online = this.random() < 0.5;
    else if (what === 'sockets') net.socketsRefused = !net.socketsRefused;
    else if (what === 'events') net.eventsHeld = !net.eventsHeld;
    else if (what === 'freeze') net.frozen = !net.frozen;
    else if (what === 'drain') net.cut(4200, { type: 'bye', code: 4200, reason: 'draining', retry_ms: 100 });
    else if (what === 'expire') this.world.keptFrom = this.world.user(42).entries.length + 1;
    else return this.reload();
    return undefined;
  }

  async reload() {
    const { net } = this.device;
    // A page that is gone does nothing any more.
    this.device.client.on('view', () => undefined);
    await this.device.client.close();
    this.device = this.watch(new Device(net, this.device.storage));
    await this.device.client.open();
  }

  async go(steps) {
    await this.device.open();
    await this.witness.open();
    for (let step = 0; step < steps; step += 1) {
      const dice = this.random();
      if (dice < 0.5) this.act();
      else if (dice < 0.65) this.elsewhere();
      else if (dice < 0.85) await this.trouble();
      await this.clock.advance(this.pick([0, 1, 10, 100, 1000, 6000]));
    }
    for (const { net } of [this.device, this.witness]) {
      Object.assign(net, { frozen: false, socketsRefused: false, eventsHeld: false, loseAnswers: 0, skip: () => false });
      net.online = true;
    }
    this.world.unavailable = 0;
    for (let minute = 0; minute < 24; minute += 1) {
      await this.clock.advance(30_000);
      for (const { net } of [this.device, this.witness]) net.heartbeat();
    }
  }
}

for (let seed = FIRST; seed < FIRST + (process.env.IDLING_SEED ? 1 : RUNS); seed += 1) {
  test(`converges whatever the line does (seed ${seed})`, async () => {
    const run = new Run(seed);
    await run.go(40);
    const truth = run.world.user(42);
    const { client } = run.device;
    assert.deepEqual(client.changes.filter(({ delivery }) => delivery !== 'rolled_back'), []);
    assert.deepEqual(client.view, truth.state);
    assert.deepEqual(run.witness.client.view, truth.state);
    const mids = truth.effects.map(({ mid }) => mid);
    assert.equal(new Set(mids).size, mids.length, 'no change took effect twice');
    assert.equal(client.connection.status, 'live');
    // The last word of this person in a field is the last of theirs that was written there.
    const own = truth.effects.filter(({ mid, args }) => !mid.startsWith('elsewhere') && args.bio);
    const order = own.map(({ args }) => Number(args.bio.split(' ')[1]));
    assert.deepEqual(order, [...order].sort((a, b) => a - b), 'in the order in which they were done');
  });
}
