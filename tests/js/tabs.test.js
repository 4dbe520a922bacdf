/** Several tabs of one browser: one line, one outbox, and whoever holds the line may vanish at any moment. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStorage } from '../../static/js/idling-client.js';
import { Device } from './support/device.js';
import { FakeClock, seeded } from './support/fake-clock.js';
import { FakeNet } from './support/fake-net.js';
import { FakeBrowser } from './support/fake-tabs.js';
import { World } from './support/model.js';

/** A browser with its storage, and a server. */
function aBrowser(random = () => 0.5) {
  const clock = new FakeClock();
  const world = new World(clock.now);
  world.addUser(42, 'Ada');
  const browser = new FakeBrowser(clock);
  const storage = new MemoryStorage();
  const tabs = [];
  const openTab = async (options = {}) => {
    const tab = browser.tab();
    const net = new FakeNet(world, 42, clock, random);
    net.env.clock = tab.clockOf(clock);
    net.env.tabs = tab.env;
    const device = new Device(net, storage, options);
    Object.assign(device, { tab, net, clock });
    tabs.push(device);
    await device.open();
    return device;
  };
  const close = async (device) => {
    device.tab.close();
    device.net.cut();
    tabs.splice(tabs.indexOf(device), 1);
    await clock.advance(0);
  };
  const sockets = () => tabs.reduce((sum, { net }) => sum + net.sockets.size, 0);
  return { clock, world, browser, storage, tabs, openTab, close, sockets };
}

const status = ({ client }) => client.connection.status;

test('two tabs have one socket, and both show everything', async () => {
  const { world, clock, openTab, sockets } = aBrowser();
  const one = await openTab();
  const two = await openTab();
  assert.equal(sockets(), 1);
  assert.deepEqual([one.client.holdsLine, two.client.holdsLine], [true, false]);
  assert.deepEqual([status(one), status(two)], ['live', 'live']);
  const { done } = two.client.mutate('session.start', { activity: 'Reading' });
  await clock.advance(100);
  assert.equal((await done).delivery, 'confirmed');
  assert.deepEqual(two.client.changes, []);
  assert.deepEqual(two.steps.map(({ to }) => to).slice(-2), ['Confirmed', 'Idle']);
  world.append(42, [{ kind: 'x', patch: { favorites: ['a'] } }]);
  await clock.advance(100);
  for (const { client } of [one, two]) assert.deepEqual(client.view, world.user(42).state);
  assert.equal(one.client.cursor, two.client.cursor);
});

test('what one tab has pending the other shows too, once', async () => {
  const { world, clock, openTab, tabs } = aBrowser();
  const one = await openTab();
  const two = await openTab();
  one.net.online = false;
  await clock.advance(10);
  assert.equal(status(two), 'offline');
  await two.client.mutate('session.start', { activity: 'Reading' }).shown;
  await clock.advance(10);
  for (const { client } of tabs) {
    assert.equal(client.view.session.activity, 'Reading');
    assert.equal(client.connection.waiting, 1);
  }
  await one.client.mutate('session.update', { id: one.client.view.session.id, activity: 'Writing' }).shown;
  await clock.advance(10);
  assert.equal(two.client.view.session.activity, 'Writing');
  one.net.online = true;
  await clock.advance(3000);
  assert.deepEqual(world.user(42).effects.map(({ name }) => name), ['session.start', 'session.update']);
  for (const { client } of tabs) assert.deepEqual([client.view, client.changes], [world.user(42).state, []]);
});

test('a tab that closes hands the line over at once, with all that was pending', async () => {
  const { world, clock, openTab, close, sockets } = aBrowser();
  const one = await openTab();
  const two = await openTab();
  one.net.loseAnswers = 1;
  const change = one.client.mutate('session.start', { activity: 'Reading' });
  await change.shown;
  await clock.advance(5);
  await close(one);
  await clock.advance(1000);
  assert.equal(status(two), 'live');
  assert.equal(sockets(), 1);
  await clock.advance(3000);
  assert.deepEqual(world.user(42).effects.map(({ mid }) => mid), [change.mid]);
  assert.deepEqual([two.client.view, two.client.changes], [world.user(42).state, []]);
});

test('a tab that freezes loses the line within two seconds, and comes back as one of the others', async () => {
  const { world, clock, openTab } = aBrowser();
  const one = await openTab();
  const two = await openTab();
  one.tab.isFrozen = true;
  const { done } = two.client.mutate('session.start', { activity: 'Reading' });
  await clock.advance(2000);
  assert.equal(two.client.holdsLine, true);
  await clock.advance(500);
  assert.equal((await done).delivery, 'confirmed');
  one.tab.thaw();
  await clock.advance(1000);
  assert.deepEqual([one.client.holdsLine, two.client.holdsLine], [false, true]);
  assert.deepEqual([status(one), status(two)], ['live', 'live']);
  assert.deepEqual(one.client.view, world.user(42).state);
  assert.equal(one.net.sockets.size, 0);
});

test('a hidden tab that holds the line keeps it as long as it answers', async () => {
  const { clock, openTab } = aBrowser();
  const one = await openTab();
  const two = await openTab();
  one.client.setActivity('hidden');
  await clock.advance(600);
  const activities = one.net.received.filter(({ type }) => type === 'heartbeat').map(({ activity }) => activity);
  assert.ok(!activities.includes('hidden'), 'somebody looks at the other tab');
  await clock.advance(10_000);
  assert.deepEqual([one.client.holdsLine, two.client.holdsLine], [true, false]);
  two.client.setActivity('hidden');
  await clock.advance(30_000);
  one.net.heartbeat();
  await clock.advance(100);
  assert.equal(one.net.received.filter(({ type }) => type === 'heartbeat').at(-1).activity, 'hidden');
});

test('a hidden tab whose line is down gives way to one that is looked at', async () => {
  const { clock, openTab } = aBrowser();
  const one = await openTab();
  const two = await openTab();
  one.client.setActivity('hidden');
  one.net.online = false;
  await clock.advance(2000);
  assert.equal(two.client.holdsLine, true);
  assert.equal(status(two), 'live');
  assert.equal(status(one), 'live');
});

test('a rejection is shown in every tab and acknowledged in all by one', async () => {
  const { clock, openTab, tabs, storage } = aBrowser();
  await openTab();
  const two = await openTab();
  const three = await openTab();
  const { mid, done } = two.client.mutate('profile.update', { name: 'Taken' });
  await clock.advance(100);
  assert.equal((await done).error.code, 'name_taken');
  for (const { client } of tabs) assert.equal(client.changes[0].error.code, 'name_taken');
  three.client.acknowledge(mid);
  await clock.advance(100);
  for (const { client } of tabs) assert.deepEqual(client.changes, []);
  assert.deepEqual((await storage.load('42')).changes, []);
});

test('a change is taken back from any tab, but never one that has left', async () => {
  const { clock, openTab, tabs, world } = aBrowser();
  const one = await openTab();
  const two = await openTab();
  one.net.online = false;
  await clock.advance(10);
  const { mid, shown } = two.client.mutate('session.start', { activity: 'Reading' });
  await shown;
  await clock.advance(10);
  assert.equal(two.client.withdraw(mid), true);
  await clock.advance(10);
  for (const { client } of tabs) assert.equal(client.view.session, undefined);
  one.net.online = true;
  await clock.advance(3000);
  assert.deepEqual(world.user(42).effects, []);
  const sent = two.client.mutate('session.start', { activity: 'Cooking' });
  await clock.advance(50);
  assert.equal(two.client.withdraw(sent.mid), false);
});

test('a topic that any tab listens to reaches it', async () => {
  const { clock, openTab } = aBrowser();
  const one = await openTab();
  const two = await openTab();
  const heard = [];
  two.client.subscribe('lobby', (data) => heard.push(data.count));
  await clock.advance(100);
  one.net.notice('lobby', { count: 3, members: [] });
  await clock.advance(100);
  assert.deepEqual(heard, [3]);
});

test('who signs out in one tab is signed out in all, and the next person sees nothing of it', async () => {
  const { clock, openTab, tabs, world } = aBrowser();
  world.addUser(43, 'Bob');
  const one = await openTab();
  const two = await openTab();
  one.client.mutate('session.start', { activity: 'Reading' });
  await clock.advance(100);
  const accounts = [];
  one.client.on('account', (account) => accounts.push(account));
  for (const { net } of tabs) net.signedIn = false;
  await two.client.leave({ erase: true });
  await clock.advance(100);
  assert.deepEqual(accounts, [null]);
  assert.equal(one.client.view.profile, undefined);
  for (const { net } of tabs) Object.assign(net, { userId: 43, signedIn: true });
  await two.client.enter(43);
  await clock.advance(3000);
  for (const { client } of tabs) {
    assert.equal(client.user.name, 'Bob');
    assert.deepEqual(client.view, world.user(43).state);
  }
  assert.deepEqual(accounts, [null, '43']);
});

test('a visitor is turned away where somebody holds the line, and else holds it', async () => {
  const { clock, openTab, close } = aBrowser();
  const one = await openTab();
  const away = [];
  const visit = async () => {
    const visitor = await openTab({ isVisitor: true, transports: ['poll'] });
    visitor.client.on('turned_away', () => away.push(visitor));
    return visitor;
  };
  const first = await visit();
  assert.equal(first.client.holdsLine, false);
  await close(first);
  await close(one);
  await clock.advance(100);
  const second = await visit();
  await clock.advance(100);
  assert.equal(second.client.holdsLine, true);
});

for (let seed = 1; seed <= Number(process.env.IDLING_RUNS ?? 25); seed += 1) {
  test(`tabs come, freeze and go, and all agree with the server (seed ${seed})`, async () => {
    const random = seeded(seed);
    const { world, clock, storage, tabs, openTab, close, sockets } = aBrowser(random);
    await openTab();
    for (let step = 0; step < 40; step += 1) {
      const dice = random();
      const tab = tabs[Math.floor(random() * tabs.length)];
      if (dice < 0.5 && !tab.tab.isFrozen) tab.client.mutate('profile.update', { bio: `bio ${step}` });
      else if (dice < 0.6 && tabs.length < 4) await openTab();
      else if (dice < 0.7 && tabs.length > 1) await close(tab);
      else if (dice < 0.8) tab.tab.isFrozen = true;
      else if (dice < 0.9) tab.tab.thaw();
      else tab.net.cut();
      await clock.advance([0, 1, 20, 700, 2500][Math.floor(random() * 5)]);
    }
    for (const { tab } of tabs) tab.thaw();
    for (let minute = 0; minute < 8; minute += 1) {
      await clock.advance(10_000);
      for (const { net } of tabs) net.heartbeat();
    }
    const { effects, state } = world.user(42);
    assert.equal(new Set(effects.map(({ mid }) => mid)).size, effects.length, 'nothing happened twice');
    assert.equal(sockets(), 1);
    for (const { client } of tabs) {
      assert.deepEqual(client.changes, []);
      assert.deepEqual(client.view, state);
      assert.equal(client.connection.status, 'live');
    }
    assert.deepEqual((await storage.load('42')).changes, []);
  });
}
