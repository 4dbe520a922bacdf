/** What survives: written in one piece, changes at once, positions after a moment, and nothing dropped that could not be written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Journal } from '../../static/js/client/journal.js';
import { MemoryStorage } from '../../static/js/client/storage.js';
import { aDevice } from './support/device.js';
import { FakeClock } from './support/fake-clock.js';
import { change, checkStorage } from './support/storage-contract.js';

/** Counts what is written, and may refuse to write. */
class CountingStorage extends MemoryStorage {
  writes = 0;
  isFull = false;

  async commit(account, saving) {
    if (this.isFull) throw new DOMException('full', 'QuotaExceededError');
    this.writes += 1;
    await super.commit(account, saving);
  }
}

test('the storage in memory gives back what was written', async () => {
  const storage = new MemoryStorage();
  await checkStorage(() => storage);
});

test('positions are written after a moment, changes at once', async () => {
  const storage = new CountingStorage();
  const clock = new FakeClock();
  const journal = new Journal(storage, '1', clock, assert.fail);
  for (let seq = 1; seq <= 100; seq += 1) void journal.note({ base: { cursor: `e.${seq}.0`, state: { seq } } });
  assert.equal(storage.writes, 0);
  await clock.advance(300);
  assert.equal(storage.writes, 1);
  void journal.note({ base: { cursor: 'e.101.0', state: {} } });
  await journal.note({ put: [change('m1')] });
  assert.equal(storage.writes, 2);
  assert.equal((await storage.load('1')).cursor, 'e.101.0');
});

test('a full storage is told once, and what it refused goes along as soon as there is room', async () => {
  const storage = new CountingStorage();
  storage.isFull = true;
  const problems = [];
  const clock = new FakeClock();
  const journal = new Journal(storage, '1', clock, (error) => problems.push(error.name));
  await journal.note({ put: [change('m1')] });
  await journal.note({ put: [change('m2')], remove: ['m0'] });
  assert.deepEqual(problems, ['QuotaExceededError']);
  storage.isFull = false;
  await clock.advance(31_000);
  assert.deepEqual((await storage.load('1')).changes.map(({ mid }) => mid), ['m1', 'm2']);
});

test('one thing is written after the other, and the later one counts whatever was refused meanwhile', async () => {
  const storage = new MemoryStorage();
  const commit = storage.commit.bind(storage);
  const steps = [];
  let refuses = false;
  storage.commit = async (account, saving) => {
    steps.push('begins');
    await new Promise((resolve) => setImmediate(resolve));
    steps.push('ends');
    if (refuses) throw new DOMException('full', 'QuotaExceededError');
    await commit(account, saving);
  };
  const clock = new FakeClock();
  const journal = new Journal(storage, '1', clock, () => undefined);
  void journal.note({ put: [change('m1')] });
  await journal.note({ put: [{ ...change('m1'), attempts: 1 }] });
  assert.deepEqual(steps, ['begins', 'ends', 'begins', 'ends']);
  refuses = true;
  const refused = journal.note({ put: [{ ...change('m1'), attempts: 2 }, change('m2')], base: { cursor: 'e.9.0', state: {}, replace: true } });
  await new Promise((resolve) => queueMicrotask(resolve));
  const later = journal.note({ base: { cursor: 'e.10.0', state: { later: 1 } } });
  await Promise.all([refused, later]);
  refuses = false;
  await journal.note({ put: [{ ...change('m1'), attempts: 3 }], remove: ['m2'] });
  const { changes, cursor, state } = await storage.load('1');
  assert.deepEqual(changes.map(({ mid, attempts }) => [mid, attempts]), [['m1', 3]]);
  assert.deepEqual([cursor, state], ['e.10.0', { later: 1 }]);
});

test('what was refused is merged as it would have been written: the latest word on each change', async () => {
  const storage = new CountingStorage();
  const journal = new Journal(storage, '1', new FakeClock(), () => undefined);
  await journal.note({ put: [change('m1'), change('m2')] });
  storage.isFull = true;
  await journal.note({ remove: ['m1'], put: [change('m3')] });
  await journal.note({ put: [change('m1')], remove: ['m3'] });
  storage.isFull = false;
  await journal.note({ put: [change('m4')] });
  assert.deepEqual((await storage.load('1')).changes.map(({ mid }) => mid).sort(), ['m1', 'm2', 'm4']);
});

test('a fresh state that could not be written is still one once it is, and what was dropped never is', async () => {
  const storage = new CountingStorage();
  const written = [];
  const commit = storage.commit.bind(storage);
  storage.commit = async (account, saving) => (await commit(account, saving), written.push(saving));
  const clock = new FakeClock();
  const journal = new Journal(storage, '1', clock, () => undefined);
  storage.isFull = true;
  void journal.note({ base: { cursor: 'f.1.0', state: {}, replace: true } });
  await journal.flush();
  storage.isFull = false;
  void journal.note({ base: { cursor: 'f.2.0', state: {}, replace: false } });
  await journal.flush();
  assert.deepEqual(written.map(({ base }) => [base.cursor, base.replace]), [['f.2.0', true]]);
  void journal.note({ base: { cursor: 'f.3.0', state: {}, replace: false } });
  journal.drop();
  await clock.advance(60_000);
  await journal.flush();
  assert.equal(written.length, 1);
});

test('a full storage stops nobody: what is done shows, goes out and is confirmed', async () => {
  const storage = new CountingStorage();
  const { device, world, clock } = aDevice({}, storage);
  const problems = [];
  device.client.on('problem', (problem) => problems.push(problem.name));
  await device.open();
  storage.isFull = true;
  const { shown, done } = device.client.mutate('session.start', { activity: 'Reading' });
  await shown;
  assert.equal(device.client.view.session.activity, 'Reading');
  await clock.advance(50);
  assert.equal((await done).delivery, 'confirmed');
  assert.equal(world.user(42).effects.length, 1);
  assert.deepEqual(problems, ['QuotaExceededError']);
});

test('a change is in the outbox before it shows', async () => {
  const { device } = aDevice();
  await device.open();
  const commit = device.storage.commit.bind(device.storage);
  let letGo = () => undefined;
  device.storage.commit = (...args) => new Promise((resolve) => (letGo = () => resolve(commit(...args))));
  const { shown } = device.client.mutate('session.start', { activity: 'Reading' });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(device.client.view.session, undefined);
  device.storage.commit = commit;
  letGo();
  await shown;
  assert.equal(device.client.view.session.activity, 'Reading');
  assert.equal((await device.storage.load('42')).changes.length, 1);
});

test('a storage that hangs is not waited for', async () => {
  const { device, world, clock } = aDevice();
  await device.open();
  device.storage.commit = () => new Promise(() => undefined);
  const { done } = device.client.mutate('session.start', { activity: 'Reading' });
  await clock.advance(1500);
  assert.equal(device.client.view.session.activity, 'Reading');
  assert.equal((await done).delivery, 'confirmed');
  assert.equal(world.user(42).effects.length, 1);
});
