/** The client over a socket: from the click to the verdict, and through what lines do in between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aDevice, another } from './support/device.js';

test('a change shows at once, is confirmed by its entry and reaches the other device', async () => {
  const one = aDevice();
  const other = another(one);
  await one.device.open();
  await other.open();
  const { shown, done } = one.device.client.mutate('session.start', { activity: 'Reading', emoji: '1F4DA' });
  await shown;
  assert.equal(one.device.client.view.session.activity, 'Reading');
  assert.equal(one.device.client.changes[0].delivery, 'sent');
  await one.clock.advance(50);
  assert.equal((await done).delivery, 'confirmed');
  assert.equal(one.device.client.view.session.id, 's1');
  assert.deepEqual(one.device.client.changes, []);
  assert.deepEqual(other.client.view, one.world.user(42).state);
});

test('live is said once the own cursor has reached the head of the welcome', async () => {
  const { device, world, clock } = aDevice();
  await device.open();
  assert.deepEqual(device.words, ['connecting', 'live']);
  await device.client.close();
  for (let count = 0; count < 3; count += 1) world.append(42, [{ kind: 'x', patch: { favorites: [String(count)] } }]);
  await device.client.open();
  await clock.advance(100);
  assert.deepEqual(device.words.slice(2), ['stopped', 'connecting', 'catching_up', 'live']);
});

test('a rejection slides back to the truth and stays until the person has seen it', async () => {
  const { device, clock } = aDevice();
  await device.open();
  const { mid, shown, done } = device.client.mutate('profile.update', { name: 'Taken' });
  await shown;
  assert.equal(device.client.view.profile.name, 'Taken');
  await clock.advance(50);
  const change = await done;
  assert.equal(change.delivery, 'rolled_back');
  assert.equal(change.error.code, 'name_taken');
  assert.equal(change.current.profile.name, 'Ada');
  assert.equal(device.client.view.profile.name, 'Ada');
  assert.equal(device.client.changes[0].args.name, 'Taken');
  device.client.acknowledge(mid);
  assert.deepEqual(device.client.changes, []);
});

test('a change whose answer was lost is in doubt, asked again under its mid, and happens once', async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  net.loseAnswers = 1;
  const { mid, done } = device.client.mutate('session.start', { activity: 'Reading' });
  await clock.advance(50);
  assert.equal(device.client.changes[0].delivery, 'in_doubt');
  assert.equal(device.client.view.session.activity, 'Reading');
  await clock.advance(5000);
  assert.equal((await done).delivery, 'confirmed');
  assert.deepEqual(world.user(42).effects.map((effect) => effect.mid), [mid]);
});

test('no answer for two seconds on an open line is a doubt too', async () => {
  const { device, net, clock } = aDevice();
  await device.open();
  net.frozen = true;
  device.client.mutate('session.start', { activity: 'Reading' });
  await clock.advance(1900);
  assert.equal(device.client.changes[0].delivery, 'sent');
  await clock.advance(300);
  assert.equal(device.client.changes[0].delivery, 'in_doubt');
  net.frozen = false;
  await clock.advance(8000);
  assert.deepEqual(device.client.changes, []);
});

test('a retryable error consumes nothing: the change waits as long as it was told and goes again', async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  world.unavailable = 2;
  const { mid, done } = device.client.mutate('session.start', { activity: 'Reading' });
  await clock.advance(50);
  assert.equal(device.client.changes[0].delivery, 'queued');
  await clock.advance(5000);
  assert.equal((await done).delivery, 'confirmed');
  assert.equal(net.received.filter((frame) => frame.mid === mid).length, 3);
});

test('a later change of the same thing never overtakes one that has to be repeated', async () => {
  const { device, world, clock } = aDevice();
  await device.open();
  world.unavailable = 1;
  device.client.mutate('profile.update', { name: 'First' });
  device.client.mutate('profile.update', { name: 'Second' });
  device.client.mutate('preferences.set', { values: { theme: 'dark' } });
  await clock.advance(5000);
  assert.deepEqual(world.user(42).effects.map(({ args }) => args.name ?? 'theme'), ['theme', 'First', 'Second']);
  assert.equal(world.user(42).state.profile.name, 'Second');
});

test('what is done to a session that is still pending waits for its name', async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  net.online = false;
  await device.client.mutate('session.start', { activity: 'Reading' }).shown;
  await device.client.mutate('session.update', { id: device.client.view.session.id, activity: 'Writing' }).shown;
  await device.client.mutate('session.pause', { id: device.client.view.session.id }).shown;
  assert.equal(device.client.view.session.status, 'paused');
  assert.equal(device.client.view.session.activity, 'Writing');
  net.online = true;
  await clock.advance(5000);
  assert.deepEqual(world.user(42).effects.map(({ name }) => name), ['session.start', 'session.update', 'session.pause']);
  assert.equal(world.user(42).state.session.status, 'paused');
  assert.deepEqual(device.client.view, world.user(42).state);
});

test('what builds on a rejected change is rolled back with it', async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  net.online = false;
  const start = device.client.mutate('session.start', { activity: 'Reading' });
  await start.shown;
  const pause = device.client.mutate('session.pause', { id: device.client.view.session.id });
  world.mutate(42, { mid: 'elsewhere', name: 'session.start', args: { activity: 'Cooking' } });
  net.online = true;
  await clock.advance(5000);
  assert.equal((await start.done).error.code, 'session_already_active');
  assert.equal((await pause.done).error.code, 'needs_earlier');
  assert.equal(device.client.view.session.activity, 'Cooking');
});

test('the outbox survives a reload, with what was on its way in doubt', async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  net.frozen = true;
  device.client.mutate('session.start', { activity: 'Reading' });
  await clock.advance(50);
  net.frozen = false;
  net.online = false;
  const again = device.reload();
  await again.client.open();
  assert.equal(again.client.changes[0].delivery, 'in_doubt');
  assert.equal(again.client.view.session.activity, 'Reading');
  assert.equal(again.views[0].profile.name, 'Ada');
  net.online = true;
  await clock.advance(5000);
  assert.equal(world.user(42).effects.length, 1);
  assert.deepEqual(again.client.view, world.user(42).state);
});

test('a rejection that came while the page was away is there when it comes back', async () => {
  const { device, clock } = aDevice();
  await device.open();
  device.client.mutate('profile.update', { name: 'Taken' });
  await clock.advance(50);
  const again = device.reload();
  await again.open();
  assert.equal(again.client.changes[0].error.code, 'name_taken');
});

test('what cannot be right is refused before it is sent, and can be acknowledged', async () => {
  const { device, net } = aDevice();
  await device.open();
  const { mid, shown, done } = device.client.mutate('session.start', { activity: '' });
  await shown;
  assert.deepEqual((await done).error.fields, { activity: ['too_short'] });
  assert.equal(net.received.filter((frame) => frame.type === 'mutate').length, 0);
  device.client.acknowledge(mid);
  assert.deepEqual(device.steps.map(({ to }) => to), ['UserAction', 'Validating', 'Error', 'ErrorDisplay', 'Idle']);
});

test('a change that is too large for a frame is refused here, before it costs the line', async () => {
  const { device, net, clock } = aDevice();
  await device.open();
  const { done } = device.client.mutate('unknown.thing', { text: 'x'.repeat(40_000) });
  await clock.advance(50);
  assert.equal((await done).error.code, 'too_large');
  assert.equal(net.opened.socket, 1);
});

test('a gap is asked for at once, and nothing after it is applied before it is filled', async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  net.skip = (entry) => entry.seq === 1;
  world.append(42, [{ kind: 'x', patch: { favorites: ['a'] } }]);
  net.skip = () => false;
  world.append(42, [{ kind: 'x', patch: { favorites: ['a', 'b'] } }]);
  await clock.advance(50);
  assert.ok(net.received.some((frame) => frame.type === 'resume'));
  assert.deepEqual(device.views.map((view) => view.favorites).filter(Boolean), [['a'], ['a', 'b']]);
});

test('a head that stays ahead for five seconds makes the client resume', async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  net.skip = () => true;
  world.append(42, [{ kind: 'x', patch: { favorites: ['a'] } }]);
  net.heartbeat();
  await clock.advance(4000);
  assert.equal(device.client.connection.status, 'catching_up');
  assert.ok(!net.received.some((frame) => frame.type === 'resume'));
  await clock.advance(1500);
  assert.deepEqual(device.client.view.favorites, ['a']);
  assert.equal(device.client.connection.status, 'live');
});

test('what the server cannot do just now is a word of the connection, for as long as it says so', async () => {
  const { device, net, clock } = aDevice();
  await device.open();
  const health = (data) => net.sockets.forEach((socket) => socket.deliver({ type: 'notice', topic: 'health', data }));
  assert.equal(device.client.connection.lacks, '');
  health({ saving: false, uploads: false, prompt: true });
  await clock.advance(10);
  assert.deepEqual([device.client.connection.status, device.client.connection.lacks], ['live', 'saving uploads']);
  health({ saving: true, uploads: true, prompt: true });
  await clock.advance(10);
  assert.equal(device.client.connection.lacks, '');
  health({ saving: false, uploads: false, prompt: true });
  await clock.advance(10);
  net.cut();
  await clock.advance(5000);
  assert.deepEqual([device.client.connection.status, device.client.connection.lacks], ['live', ''], 'another instance may be well');
});

test('each heartbeat is answered with what the person does, and what was applied is acknowledged', async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  device.client.setActivity('hidden');
  net.heartbeat();
  world.append(42, [{ kind: 'x', patch: { favorites: ['a'] } }]);
  await clock.advance(1500);
  const beats = net.received.filter((frame) => frame.type === 'heartbeat');
  assert.deepEqual(beats.map((frame) => frame.activity), ['hidden', 'hidden']);
  assert.deepEqual(net.received.filter((frame) => frame.type === 'ack').at(-1).cursor, 'e1.1.0');
});

test('a silent line is given up after the heartbeat is overdue', async () => {
  const { device, net, clock } = aDevice();
  await device.open();
  net.frozen = true;
  await clock.advance(39_000);
  assert.equal(device.client.connection.status, 'live');
  net.frozen = false;
  await clock.advance(8000);
  assert.equal(net.opened.socket, 2);
  assert.equal(device.client.connection.status, 'live');
});

test('another epoch brings a fresh state; what was pending is asked again', async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  net.online = false;
  device.client.mutate('profile.update', { name: 'Grace' });
  world.restart('e2');
  net.online = true;
  await clock.advance(5000);
  assert.equal(device.client.cursor, 'e2.1.0');
  assert.equal(device.client.view.profile.name, 'Grace');
});

test("another person's login on this device neither shows nor sends what the first one left", async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  net.online = false;
  device.client.mutate('session.start', { activity: 'Secret' });
  world.addUser(7, 'Bea');
  net.userId = 7;
  net.online = true;
  await clock.advance(5000);
  assert.equal(device.client.user.name, 'Bea');
  assert.deepEqual(device.client.view, world.user(7).state);
  assert.deepEqual(world.user(7).effects, []);
  net.userId = 42;
  net.cut();
  await clock.advance(15_000);
  assert.equal(world.user(42).state.session.activity, 'Secret');
});

test('a queue of sixty goes out in order within the limits of the server', async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  net.online = false;
  for (let count = 0; count < 60; count += 1) device.client.mutate('profile.update', { bio: `bio ${count}` });
  await clock.advance(1);
  assert.equal(device.client.connection.waiting, 60);
  net.online = true;
  await clock.advance(10_000);
  assert.deepEqual(world.user(42).effects.map(({ args }) => args.bio), Array.from({ length: 60 }, (_, count) => `bio ${count}`));
  assert.equal(device.client.connection.waiting, 0);
});

test('a change that is older than the server remembers is not sent, but shown as expired', async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  net.online = false;
  const { done } = device.client.mutate('session.start', { activity: 'Reading' });
  const again = device.reload();
  await clock.advance(7 * 24 * 3600 * 1000);
  net.online = true;
  await again.open();
  await clock.advance(5000);
  assert.equal(again.client.changes[0].delivery, 'expired');
  assert.deepEqual(world.user(42).effects, []);
  assert.equal((await done).delivery, 'expired');
});

test('a change that never left can be taken back', async () => {
  const { device, world, net, clock } = aDevice();
  await device.open();
  net.online = false;
  const { mid, shown } = device.client.mutate('session.start', { activity: 'Reading' });
  await shown;
  assert.equal(device.client.withdraw(mid), true);
  assert.equal(device.client.view.session, undefined);
  net.online = true;
  await clock.advance(5000);
  assert.deepEqual(world.user(42).effects, []);
});

test('topics are asked for on every new line, and notices reach their listeners', async () => {
  const { device, net, clock } = aDevice();
  await device.open();
  const heard = [];
  const stop = device.client.subscribe('lobby', (data) => heard.push(data.count));
  await clock.advance(50);
  net.notice('lobby', { count: 3 });
  await clock.advance(50);
  net.cut();
  await clock.advance(5000);
  net.notice('lobby', { count: 4 });
  await clock.advance(50);
  stop();
  await clock.advance(50);
  net.notice('lobby', { count: 5 });
  await clock.advance(50);
  assert.deepEqual(heard, [3, 4]);
});

test('a token is renewed before it ends, on the open line', async () => {
  const tokens = [];
  const auth = { token: async (refresh) => (tokens.push(refresh), refresh ? 'second' : 'first') };
  const { device, net, clock } = aDevice({ auth });
  await device.open();
  assert.equal(net.received[0].token, 'first');
  for (const socket of net.sockets) {
    socket.deliver({ type: 'refreshed', expires_in_s: 30 });
  }
  await clock.advance(25_000);
  assert.equal(net.received.find((frame) => frame.type === 'refresh').token, 'second');
});
