/** Without a socket: what is asked by REST takes effect once, in order, and shows at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aDeviceWithoutSockets, anOpenDevice } from './support/device.js';

const transport = ({ device }) => device.client.connection.transport;

test('without a socket the lobby is asked for, and an open session is kept alive', async () => {
  const one = await aDeviceWithoutSockets();
  const counts = [];
  one.device.client.subscribe('lobby', (data) => counts.push(data.count));
  await one.clock.advance(100);
  one.device.client.mutate('session.start', { activity: 'Reading' });
  one.net.socketsRefused = true;
  await one.clock.advance(40_000);
  assert.deepEqual([counts[0], counts.at(-1)], [0, 1]);
  assert.ok(one.net.received.filter((frame) => frame.type === 'heartbeat').length >= 1);
});

test('a REST answer that was lost leaves a doubt, not a second effect', async () => {
  const one = await aDeviceWithoutSockets();
  one.net.loseAnswers = 1;
  one.net.skip = () => true;
  const { mid, done } = one.device.client.mutate('preferences.set', { values: { theme: 'dark' } });
  await one.clock.advance(30_000);
  assert.equal((await done).delivery, 'confirmed');
  assert.deepEqual(one.world.user(42).effects.map((effect) => effect.mid), [mid]);
});

test('a batch that stops in the middle goes on in the same order', async () => {
  const one = await anOpenDevice();
  one.net.socketsRefused = true;
  one.net.online = false;
  for (const name of ['Alpha', 'Beta', 'Gamma']) one.device.client.mutate('profile.update', { name });
  one.world.unavailable = 1;
  one.net.online = true;
  await one.clock.advance(20_000);
  assert.equal(transport(one), 'events');
  assert.deepEqual(one.world.user(42).effects.map(({ args }) => args.name), ['Alpha', 'Beta', 'Gamma']);
  assert.equal(one.net.posts[0].length, 3);
});

test('a verdict that overtakes its entry changes nothing that is shown', async () => {
  const one = await aDeviceWithoutSockets();
  one.net.streamDelayMs = 500;
  one.device.views.length = 0;
  const { done } = one.device.client.mutate('profile.update', { name: 'Grace' });
  await one.clock.advance(200);
  assert.equal(one.device.client.changes[0].delivery, 'confirmed');
  assert.equal(one.device.client.view.profile.name, 'Grace');
  await one.clock.advance(500);
  assert.equal((await done).delivery, 'confirmed');
  assert.deepEqual([...new Set(one.device.views.map((view) => view.profile.name))], ['Grace']);
});

test('over REST, too, what is done to a pending session waits for its name', async () => {
  const one = await anOpenDevice();
  one.net.socketsRefused = true;
  one.net.online = false;
  await one.device.client.mutate('session.start', { activity: 'Reading' }).shown;
  one.device.client.mutate('session.pause', { id: one.device.client.view.session.id });
  one.device.client.mutate('profile.update', { name: 'Grace' });
  one.net.online = true;
  await one.clock.advance(20_000);
  assert.deepEqual(one.net.posts.map((batch) => batch.map(({ name }) => name)), [['session.start', 'profile.update'], ['session.pause']]);
  assert.equal(one.world.user(42).state.session.status, 'paused');
});

test('a defect of the server is no verdict: the change is asked again', async () => {
  const one = await anOpenDevice();
  const { mutate } = one.world;
  one.world.mutate = (_user, { mid }) => ({ type: 'error', mid, error: { code: 'internal', class: 'system', message: 'Oh.', retryable: false } });
  const { done } = one.device.client.mutate('session.start', { activity: 'Reading' });
  await one.clock.advance(200);
  assert.equal(one.device.client.changes[0].delivery, 'queued');
  one.world.mutate = mutate;
  await one.clock.advance(2000);
  assert.equal((await done).delivery, 'confirmed');
});
