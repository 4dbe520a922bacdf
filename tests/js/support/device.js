/**
 * A device with a client on it: keeps all that the client told its listeners, so a test can look at every frame it showed.
 */
import { IdlingClient, MemoryStorage } from '../../../static/js/idling-client.js';
import { FakeClock } from './fake-clock.js';
import { FakeNet } from './fake-net.js';
import { World } from './model.js';

export class Device {
  views = [];
  connections = [];
  steps = [];
  ended = [];

  constructor(net, storage = new MemoryStorage(), options = {}) {
    this.net = net;
    this.clock = net.clock;
    this.storage = storage;
    this.client = new IdlingClient({ origin: 'http://room.test', env: net.env, storage, ...options });
    this.client.on('view', (view) => this.views.push(view));
    this.client.on('connection', (connection) => this.connections.push(connection));
    this.client.on('step', (step) => this.steps.push(step));
    this.client.on('ended', (change) => this.ended.push(change));
  }

  /** What was said of the line, each word once until it changes. */
  get words() {
    return this.connections.map(({ status }) => status).filter((word, index, all) => word !== all[index - 1]);
  }

  async open() {
    await this.client.open();
    await this.clock.advance(100);
    return this;
  }

  /** The page is gone without a word; what was saved is all that is left. */
  reload() {
    this.net.cut();
    this.net.env.network.listen(() => undefined);
    return new Device(this.net, this.storage);
  }
}

/** One user, one device, one clock. */
export function aDevice(options = {}, storage = undefined) {
  const clock = new FakeClock();
  const world = new World(clock.now);
  world.addUser(42, 'Ada');
  const net = new FakeNet(world, 42, clock, () => 0.5);
  return { clock, world, net, device: new Device(net, storage, options) };
}

/** The same, with its line open. */
export async function anOpenDevice(options = {}) {
  const one = aDevice(options);
  await one.device.open();
  return one;
}

/** The same where no socket opens, `ms` later: it has found another way. */
export async function aDeviceWithoutSockets(ms = 5000) {
  const one = aDevice();
  one.net.socketsRefused = true;
  await one.device.open();
  await one.clock.advance(ms);
  return one;
}

/** An entry comes to be: these are their favourites now. */
export function favorites({ world }, all) {
  world.append(42, [{ kind: 'x', patch: { favorites: all } }]);
}

/** Another device of the same user, with a line of its own. */
export function another({ world, clock }, storage) {
  return new Device(new FakeNet(world, 42, clock, () => 0.5), storage);
}
