/** The optimistic store by itself: confirmed base, pending changes, and what is shown of both. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCursor } from '../../static/js/client/cursor.js';
import { stepsOfBeginning } from '../../static/js/client/journey.js';
import { catchUp } from '../../static/js/client/mirror.js';
import { Replica } from '../../static/js/client/replica.js';

const AT = Date.parse('2026-03-01T12:00:00Z');

function aReplica(changes = []) {
  const replica = new Replica();
  replica.restore({ cursor: 'e.5.0', state: { profile: { id: 42, name: 'Ada', version: 1 } }, changes: [] });
  for (const change of changes) add(replica, change);
  return replica;
}

function add(replica, change) {
  const whole = { args: {}, created_at: AT, delivery: 'queued', phase: 'Idle', attempts: 0, ...change };
  replica.add(whole, stepsOfBeginning({ valid: true, predicted: true }));
}

const rename = (mid, name) => ({ mid, name: 'profile.update', args: { name } });
const entry = (seq, patch, verdict) => ({ stream: 'user', seq, items: [{ kind: 'x', patch }, ...(verdict ? [{ kind: 'verdict', ...verdict }] : [])] });

test('pending changes are shown over the base in the order in which they were made', () => {
  const replica = aReplica([rename('m1', 'First'), rename('m2', 'Second')]);
  assert.equal(replica.view.profile.name, 'Second');
  assert.equal(replica.view.profile.version, 3);
  assert.equal(replica.base.profile.name, 'Ada');
});

test('an entry and the change it confirms are one step', () => {
  const replica = aReplica([rename('m1', 'First'), rename('m2', 'Second')]);
  assert.equal(replica.applyEntry(entry(6, { profile: { name: 'First', version: 2 } }, { mid: 'm1', status: 'confirmed' })), 'applied');
  assert.equal(replica.base.profile.name, 'First');
  assert.equal(replica.view.profile.name, 'Second');
  assert.deepEqual(replica.changes.map(({ mid }) => mid), ['m2']);
});

test("somebody else's entry moves the base under what is pending", () => {
  const replica = aReplica([rename('m1', 'Mine')]);
  replica.applyEntry(entry(6, { profile: { name: 'Theirs', bio: 'new', version: 2 } }));
  assert.deepEqual(replica.view.profile, { id: 42, name: 'Mine', bio: 'new', version: 3 });
});

test('an entry that is known changes nothing, but its verdict counts', () => {
  const replica = aReplica([rename('m1', 'Mine')]);
  const before = replica.base;
  assert.equal(replica.applyEntry(entry(5, { profile: { name: 'Old' } }, { mid: 'm1', status: 'confirmed' })), 'known');
  assert.equal(replica.base, before);
  assert.equal(replica.cursor.user, 5);
  assert.deepEqual(replica.changes, []);
});

test('after a gap nothing is applied', () => {
  const replica = aReplica();
  assert.equal(replica.applyEntry(entry(7, { profile: { name: 'Late' } })), 'gap');
  assert.equal(replica.cursor.user, 5);
  assert.equal(replica.base.profile.name, 'Ada');
  assert.equal(replica.applyEntry({ stream: 'elsewhere', seq: 1, items: [] }), 'gap');
  assert.equal(new Replica().applyEntry(entry(1, {})), 'gap');
});

test('the two streams are counted apart', () => {
  const replica = aReplica();
  assert.equal(replica.applyEntry({ stream: 'all', seq: 1, items: [{ kind: 'x', patch: { announcements: { a: {} } } }] }), 'applied');
  assert.deepEqual(replica.cursor, { epoch: 'e', user: 5, all: 1 });
});

test('a verdict that names a later entry keeps the prediction until that entry is there', () => {
  const replica = aReplica([rename('m1', 'Mine')]);
  replica.settle({ mid: 'm1', status: 'confirmed', seq: 7 });
  assert.equal(replica.changes[0].delivery, 'confirmed');
  replica.applyEntry(entry(6, { profile: { name: 'Theirs' } }));
  assert.equal(replica.view.profile.name, 'Mine');
  replica.applyEntry(entry(7, { profile: { name: 'Mine' } }, { mid: 'm1', status: 'confirmed' }));
  assert.deepEqual(replica.changes, []);
  assert.equal(replica.view.profile.name, 'Mine');
});

test('the first verdict counts; another for the same mid is not heard', () => {
  const replica = aReplica([rename('m1', 'Mine')]);
  replica.settle({ mid: 'm1', status: 'rolled_back', error: { code: 'name_taken' } });
  replica.settle({ mid: 'm1', status: 'confirmed', seq: 6 });
  assert.equal(replica.changes[0].delivery, 'rolled_back');
});

test('a snapshot replaces the base; what it already holds ends with the verdict', () => {
  const replica = aReplica([rename('m1', 'Mine')]);
  replica.reset(parseCursor('f.9.0'), { profile: { id: 42, name: 'Mine', version: 2 } });
  assert.equal(replica.changes.length, 1);
  replica.settle({ mid: 'm1', status: 'confirmed', seq: 8, duplicate: true });
  assert.deepEqual(replica.changes, []);
});

test('a change that is acknowledged is forgotten, one that is pending is not', () => {
  const replica = aReplica([rename('m1', 'Mine')]);
  replica.acknowledge('m1');
  assert.equal(replica.changes.length, 1);
  replica.signal('m1', 'reject');
  replica.acknowledge('m1');
  assert.deepEqual(replica.changes, []);
  assert.deepEqual(replica.takeSaving().remove, ['m1']);
});

test('what was sent once cannot be taken back any more', () => {
  const replica = aReplica([rename('m1', 'Mine'), rename('m2', 'Other')]);
  replica.signal('m1', 'send', { attempts: 1 });
  assert.equal(replica.withdraw('m1'), false);
  replica.signal('m1', 'refuse');
  assert.equal(replica.withdraw('m1'), false);
  assert.equal(replica.withdraw('m2'), true);
});

test('after a reload what was sent is in doubt, and a name that is known still is', () => {
  const start = { mid: 'm1', name: 'session.start', args: { activity: 'x' }, created_at: AT, attempts: 1, phase: 'Confirmed', delivery: 'confirmed', seq: 6, result: { session: { id: 's1' } } };
  const update = { ...rename('m2', 'Mine'), created_at: AT, attempts: 1, phase: 'OptimisticUpdate', delivery: 'sent' };
  const replica = new Replica();
  replica.restore({ cursor: 'e.5.0', state: {}, changes: [start, update] });
  assert.deepEqual(replica.changes.map(({ delivery }) => delivery), ['confirmed', 'in_doubt']);
  assert.equal(replica.nameOf('new.m1'), 's1');
  assert.equal(replica.view.session.id, 's1');
});

const saved = (facts) => ({ args: {}, created_at: AT, attempts: 1, phase: 'OptimisticUpdate', delivery: 'sent', ...facts });

test('what another tab left is taken over: what it saved, and what only we know', () => {
  const replica = aReplica([rename('m1', 'Mine'), rename('m3', 'Also mine')]);
  const ended = saved({ ...rename('m3', 'Also mine'), delivery: 'rolled_back', phase: 'RolledBack', error: { code: 'name_taken' } });
  replica.takeOver({ cursor: 'e.7.0', state: { profile: { id: 42, name: 'Newer', version: 2 } }, changes: [saved(rename('m2', 'Theirs')), ended] });
  assert.equal(replica.cursor.user, 7);
  assert.equal(replica.base.profile.name, 'Newer');
  assert.deepEqual(replica.changes.map(({ mid, delivery }) => [mid, delivery]), [['m1', 'queued'], ['m2', 'in_doubt'], ['m3', 'rolled_back']]);
});

test('what another tab saved is not gone back to where we are further', () => {
  const replica = aReplica();
  replica.takeOver({ cursor: 'e.4.0', state: { profile: { id: 42, name: 'Older', version: 1 } }, changes: [] });
  assert.equal(replica.cursor.user, 5);
  assert.equal(replica.base.profile.name, 'Ada');
  replica.takeOver({ cursor: 'f.1.0', state: { profile: { id: 42, name: 'Another life', version: 1 } }, changes: [] });
  assert.deepEqual(replica.cursor, { epoch: 'f', user: 1, all: 0 });
});

test('a second verdict neither fails what hangs on the first nor renames anything', () => {
  const replica = aReplica([{ mid: 'm1', name: 'session.start', args: { activity: 'x' } }]);
  replica.settle({ mid: 'm1', status: 'confirmed', seq: 7, result: { session: { id: 's1' } } });
  add(replica, { mid: 'm2', name: 'session.update', args: { id: 'new.m1', activity: 'y' }, needs: { mid: 'm1', arg: 'id' } });
  replica.settle({ mid: 'm1', status: 'rolled_back', error: { code: 'conflict' } });
  replica.settle({ mid: 'm1', status: 'confirmed', seq: 7, result: { session: { id: 's2' } } });
  assert.deepEqual(replica.changes.map(({ mid, delivery }) => [mid, delivery]), [['m1', 'confirmed'], ['m2', 'queued']]);
  assert.equal(replica.nameOf('new.m1'), 's1');
});

test('a tab that catches up says what nobody has heard from it, and of that alone that it is still to be done', () => {
  const replica = aReplica(['m1', 'm2', 'm3'].map((mid) => rename(mid, mid)));
  replica.signal('m2', 'send', { attempts: 1 });
  const over = saved({ ...rename('m3', 'm3'), delivery: 'confirmed', phase: 'Confirmed', seq: 6 });
  const { ended, unheard } = catchUp(replica, { cursor: 'e.6.0', state: {}, changes: [saved(rename('m4', 'm4'))], ended: [over] });
  assert.deepEqual(unheard.map(({ mid }) => mid), ['m1']);
  assert.deepEqual(ended, [over]);
  assert.deepEqual(replica.changes.map(({ mid }) => mid), ['m1', 'm4']);
});

test('the view is the same object as long as nothing changes', () => {
  const replica = aReplica([rename('m1', 'Mine')]);
  assert.equal(replica.view, replica.view);
  const { profile } = replica.view;
  replica.applyEntry(entry(6, { favorites: ['a'] }));
  assert.deepEqual(replica.view.profile, profile);
});
