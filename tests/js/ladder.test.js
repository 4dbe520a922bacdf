/** The transport ladder: down rung by rung when it must, up again by itself, one cursor for all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aDevice, aDeviceWithoutSockets, anOpenDevice, favorites } from './support/device.js';

const transport = ({ device }) => device.client.connection.transport;

/** An entry was applied; then the socket is lost, and none opens any more. */
async function cutOffAfterAnEntry() {
  const one = await anOpenDevice();
  favorites(one, ['a']);
  await one.clock.advance(50);
  one.net.socketsRefused = true;
  one.net.cut();
  return one;
}

test('where no socket opens, events take over, and changes go by REST', async () => {
  const one = await aDeviceWithoutSockets();
  assert.equal(transport(one), 'events');
  assert.equal(one.device.client.connection.status, 'limited');
  const { done } = one.device.client.mutate('session.start', { activity: 'Reading' });
  await one.clock.advance(100);
  assert.equal((await done).delivery, 'confirmed');
  assert.deepEqual(one.device.client.view, one.world.user(42).state);
});

test('where the events are held back by somebody in between, the poll takes over', async () => {
  const one = aDevice();
  one.net.socketsRefused = true;
  one.net.eventsHeld = true;
  await one.device.open();
  await one.clock.advance(20_000);
  assert.equal(transport(one), 'poll');
  const { done } = one.device.client.mutate('session.start', { activity: 'Reading' });
  await one.clock.advance(100);
  assert.equal((await done).delivery, 'confirmed');
  favorites(one, ['a']);
  await one.clock.advance(100);
  assert.deepEqual(one.device.client.view, one.world.user(42).state);
});

for (const [name, missing] of [['events', {}], ['poll', { eventsRefused: true }]]) {
  test(`what the server cannot do just now is told over the ${name}, too`, async () => {
    const one = aDevice({ transports: ['events', 'poll'] });
    Object.assign(one.net, missing);
    await one.device.open();
    await one.clock.advance(5000);
    const { client } = one.device;
    assert.deepEqual([transport(one), client.connection.lacks], [name, '']);
    one.net.lacks = 'saving, uploads';
    await one.clock.advance(3000);
    assert.deepEqual([client.connection.status, client.connection.lacks], ['limited', 'saving uploads']);
    one.net.lacks = '';
    await one.clock.advance(3000);
    assert.equal(client.connection.lacks, '');
  });
}

test('a poll that begins while something does not work says so at once', async () => {
  const one = aDevice({ transports: ['poll'] });
  one.net.lacks = 'prompt';
  await one.device.open();
  await one.clock.advance(1000);
  assert.deepEqual([transport(one), one.device.client.connection.lacks], ['poll', 'prompt']);
});

test('it climbs back to the socket by itself, without a gap in what is shown', async () => {
  const one = await aDeviceWithoutSockets();
  one.net.socketsRefused = false;
  favorites(one, ['a']);
  await one.clock.advance(60_000);
  assert.equal(transport(one), 'socket');
  favorites(one, ['a', 'b']);
  await one.clock.advance(100);
  assert.deepEqual(one.device.views.map((view) => view.favorites).filter(Boolean), [['a'], ['a', 'b']]);
  assert.equal(one.net.streams.size, 0);
  const after = one.device.words.slice(one.device.words.indexOf('limited'));
  assert.deepEqual([...new Set(after)], ['limited', 'live']);
});

test('from the poll it climbs to the events when the socket is still not to be had', async () => {
  const one = aDevice();
  Object.assign(one.net, { socketsRefused: true, eventsRefused: true });
  await one.device.open();
  await one.clock.advance(5000);
  assert.equal(transport(one), 'poll');
  one.net.eventsRefused = false;
  await one.clock.advance(60_000);
  assert.equal(transport(one), 'events');
});

test('the cursor goes along: what is missed between two transports comes once', async () => {
  const one = await cutOffAfterAnEntry();
  favorites(one, ['a', 'b']);
  one.world.announce([{ kind: 'y', patch: { announcements: { n1: { title: 'Hello' } } } }]);
  await one.clock.advance(10_000);
  assert.equal(transport(one), 'events');
  assert.equal(one.net.opened.snapshot, 0);
  assert.deepEqual(one.device.client.view, one.world.user(42).state);
});

test('a fresh state that another transport has already passed is not gone back to', async () => {
  const one = await aDeviceWithoutSockets();
  one.net.socketsRefused = false;
  one.world.keptFrom = 99; // whoever says hello now gets a state instead of entries
  one.device.views.length = 0;
  one.net.beforeWelcome = () => {
    favorites(one, ['a']);
    return 200; // ms until it arrives, while the entry comes over the events
  };
  one.device.client.retryNow();
  await one.clock.advance(1000);
  assert.equal(transport(one), 'socket');
  assert.deepEqual(one.device.views.map((view) => view.favorites), [['a']]);
});

test('a cursor that is void over REST brings a fresh state', async () => {
  const one = await cutOffAfterAnEntry();
  one.world.restart('e2');
  await one.clock.advance(10_000);
  assert.equal(transport(one), 'events');
  assert.equal(one.device.client.cursor, 'e2.0.0');
  assert.equal(one.net.opened.snapshot, 0);
  one.net.eventsRefused = true;
  one.net.cut();
  one.world.restart('e3');
  await one.clock.advance(10_000);
  assert.equal(transport(one), 'poll');
  assert.equal(one.device.client.cursor, 'e3.0.0');
});
