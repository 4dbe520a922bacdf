/** How a line ends, and what follows: codes, goodbyes, switches, silence; who comes back when, and who does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aDevice, aDeviceWithoutSockets, anOpenDevice } from './support/device.js';

const transport = ({ device }) => device.client.connection.transport;

test("offline by the browser's switch is said at once, and its end is used at once", async () => {
  const one = await anOpenDevice();
  one.net.online = false;
  await one.clock.advance(10);
  assert.equal(one.device.client.connection.status, 'offline');
  await one.device.client.mutate('session.start', { activity: 'Reading' }).shown;
  assert.equal(one.device.client.connection.waiting, 1);
  await one.clock.advance(30_000);
  assert.ok(!one.device.words.slice(2).some((word) => word !== 'offline'));
  one.net.online = true;
  await one.clock.advance(100);
  assert.equal(one.device.client.connection.status, 'live');
  assert.equal(one.device.client.connection.waiting, 0);
});

test('a dead server is found by itself and waited for with growing patience', async () => {
  const one = await anOpenDevice();
  one.net.down = true;
  one.net.cut();
  await one.clock.advance(60_000);
  assert.equal(one.device.client.connection.status, 'offline');
  one.net.down = false;
  await one.clock.advance(60_000);
  assert.equal(one.device.client.connection.status, 'live');
});

test('4100: the server is busy, and how long is said', async () => {
  const one = await anOpenDevice();
  one.net.cut(4100, { type: 'bye', code: 4100, reason: 'overloaded', retry_ms: 4000 });
  await one.clock.advance(50);
  assert.equal(one.device.client.connection.status, 'busy');
  assert.ok(one.device.client.connection.retryAt - one.clock.now() > 3900);
  await one.clock.advance(5000);
  assert.equal(one.device.client.connection.status, 'live');
});

test('4200: comes back when it was told to, over the same cursor', async () => {
  const one = await anOpenDevice();
  await one.clock.advance(6000);
  one.net.cut(4200, { type: 'bye', code: 4200, reason: 'draining', retry_ms: 700 });
  await one.clock.advance(600);
  assert.equal(one.net.opened.socket, 1);
  await one.clock.advance(200);
  assert.equal(one.device.client.connection.status, 'live');
  assert.equal(one.net.received.at(-2).cursor ?? one.net.received.at(-1).cursor, 'e1.0.0');
});

for (const [code, status] of [
  [4000, 'refused'],
  [4001, 'signed_out'],
  [4003, 'suspended'],
  [4004, 'signed_out'],
  [4005, 'too_many'],
  [4006, 'refused'],
]) {
  test(`${code}: it does not come back unchanged, and says ${status}`, async () => {
    const one = await anOpenDevice();
    one.net.cut(code);
    await one.clock.advance(120_000);
    assert.equal(one.device.client.connection.status, status);
    assert.equal(one.net.opened.socket, 1);
    one.device.client.retryNow();
    await one.clock.advance(100);
    assert.equal(one.device.client.connection.status, 'live');
  });
}

test('4203: a cookie may outlive a token, so it is tried once more and no oftener', async () => {
  const one = await anOpenDevice();
  one.net.cut(4203);
  await one.clock.advance(100);
  assert.equal(one.device.client.connection.status, 'live');
  one.net.signedIn = false;
  one.net.cut(4203);
  await one.clock.advance(10_000);
  assert.equal(one.device.client.connection.status, 'signed_out');
});

test('4001 with a token: it is renewed and tried once', async () => {
  const asked = [];
  const auth = { token: async (renew) => (asked.push(renew), renew ? 'new' : 'old') };
  const one = await anOpenDevice({ auth });
  one.net.cut(4001);
  await one.clock.advance(100);
  assert.equal(one.device.client.connection.status, 'live');
  assert.deepEqual(asked, [false, true, false]);
});

test('a line that lives only for moments is left for the next rung', async () => {
  const one = await anOpenDevice();
  for (let count = 0; count < 12 && transport(one) !== 'events'; count += 1) {
    one.net.cut();
    await one.clock.advance(5000);
    one.net.cut();
    await one.clock.advance(2500);
  }
  assert.equal(transport(one), 'events');
});

test('signed out over REST is signed out', async () => {
  const one = aDevice();
  one.net.socketsRefused = true;
  one.net.signedIn = false;
  await one.device.open();
  await one.clock.advance(5000);
  assert.equal(one.device.client.connection.status, 'signed_out');
});

test('the goodbye of an event stream is heard like that of a socket', async () => {
  const one = await aDeviceWithoutSockets(10_000);
  for (const stream of one.net.streams) stream.end({ type: 'bye', code: 4200, reason: 'draining', retry_ms: 3000 });
  await one.clock.advance(2900);
  assert.equal(one.net.opened.events, 1);
  await one.clock.advance(200);
  assert.equal(one.net.opened.events, 2);
});

test('who has just signed in can begin before the line is there', async () => {
  const one = aDevice();
  one.net.signedIn = false;
  await one.device.open();
  assert.equal(one.device.client.connection.status, 'signed_out');
  one.net.signedIn = true;
  await one.device.client.enter(42);
  const { shown, done } = one.device.client.mutate('session.start', { activity: 'Reading' });
  await shown;
  assert.equal(one.device.client.view.session.activity, 'Reading');
  await one.clock.advance(100);
  assert.equal((await done).delivery, 'confirmed');
  assert.deepEqual(one.device.client.view, one.world.user(42).state);
});

test("a proxy's error page is no word of the server: every way is tried, then it is offline", async () => {
  const one = await anOpenDevice();
  Object.assign(one.net, { badGateway: true, socketsRefused: true });
  one.net.cut();
  await one.clock.advance(20_000);
  assert.equal(one.device.client.connection.status, 'offline');
  assert.ok(!one.device.words.includes('busy'));
  Object.assign(one.net, { badGateway: false, socketsRefused: false });
  await one.clock.advance(60_000);
  assert.equal(one.device.client.connection.status, 'live');
});
