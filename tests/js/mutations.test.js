/** What may be said, and what it is expected to do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyPatch } from '../../static/js/client/merge-patch.js';
import { checkArgs, laneOf, MUTATIONS, predict } from '../../static/js/client/mutations.js';
import { World } from './support/model.js';

const AT = Date.parse('2026-03-01T12:00:00Z');
const session = { id: 's1', activity: 'Reading', status: 'active', started_at: '2026-03-01T11:00:00.000Z', paused_s: 0, version: 1 };

test('arguments are held to the limits of the contract, in characters and not in code units', () => {
  const bad = [
    ['session.start', {}, { activity: ['required'] }],
    ['session.start', { activity: '' }, { activity: ['too_short'] }],
    ['session.start', { activity: 'x'.repeat(81) }, { activity: ['too_long'] }],
    ['session.start', { activity: 'a\0b' }, { activity: ['bad_characters'] }],
    ['session.start', { activity: '\ud83d' }, { activity: ['bad_characters'] }],
    ['session.start', { activity: '  ' }, { activity: ['too_short'] }],
    ['session.start', { activity: 'a\nb' }, { activity: ['bad_characters'] }],
    ['profile.update', { name: ' A ' }, { name: ['too_short'] }],
    ['session.start', { activity: 7 }, { activity: ['not_text'] }],
    ['session.start', { activity: 'x', mood: 'y' }, { mood: ['unknown'] }],
    ['session.update', { id: 's1' }, { _: ['required'] }],
    ['session.end', {}, { id: ['required'] }],
    ['profile.update', {}, { _: ['required'] }],
    ['profile.update', { name: 'A' }, { name: ['too_short'] }],
    ['profile.update', { bio: 'x'.repeat(501) }, { bio: ['too_long'] }],
    ['preferences.set', { values: {} }, { values: ['required'] }],
    ['preferences.set', { values: { theme: 'pink' } }, { values: ['bad_choice'] }],
    ['preferences.set', { values: { sounds: 'yes' } }, { values: ['bad_choice'] }],
    ['preferences.set', { values: { toString: true } }, { values: ['unknown'] }],
    ['emoji.use', { emoji: '1F600', count: 0 }, { count: ['bad_choice'] }],
    ['emoji.use', { emoji: '1F600', count: 101 }, { count: ['bad_choice'] }],
    ['favorite.move', { emoji: '1F600' }, { after: ['required'] }],
  ];
  for (const [name, args, fields] of bad) assert.deepEqual(checkArgs(name, args), fields, `${name} ${JSON.stringify(args)}`);
  const good = [
    ['session.start', { activity: '\u{1F600}'.repeat(80), emoji: '2764-FE0F' }],
    ['session.update', { id: 's1', emoji: '1F4DA' }],
    ['session.update', { id: 's1', emoji: null }],
    ['profile.update', { bio: '' }],
    ['profile.update', { bio: 'two\nlines' }],
    ['preferences.set', { values: { theme: 'dark', sounds: false } }],
    ['something.new', { any: 'thing' }],
  ];
  for (const [name, args] of good) assert.equal(checkArgs(name, args), null, name);
});

test('each mutation of the table predicts what the server then does', () => {
  const paused = { ...session, status: 'paused', paused_at: '2026-03-01T11:50:00.000Z' };
  const cases = {
    'session.start': [null, { activity: 'Reading', emoji: '1F4DA' }],
    'session.update': [session, { id: 's1', activity: 'Writing', emoji: '270D' }],
    'session.pause': [session, { id: 's1' }],
    'session.resume': [paused, { id: 's1' }],
    'session.end': [session, { id: 's1' }],
    'profile.update': [session, { name: ' Grace  Hopper', bio: 'x' }],
    'preferences.set': [session, { values: { theme: 'dark', sounds: true } }],
    'account.unlink': [null, { provider: 'google' }],
    'favorite.add': [null, { emoji: '1F4DA' }],
    'favorite.remove': [null, { emoji: '2764-FE0F' }],
    'favorite.move': [null, { emoji: '1F600', after: '2764-FE0F' }],
    'emoji.use': [null, { emoji: '1F600', count: 2 }],
    'custom_emoji.delete': [null, { id: 'c_1' }],
    'custom_emoji.review': [null, { id: 'c_1', approve: true }],
    'notification.read': [null, { up_to: 'n2' }],
    'notification.dismiss': [null, { id: 'n1' }],
    'push.subscribe': [null, { endpoint: 'https://push.example/1', keys: { p256dh: 'B', auth: 'a' }, expirationTime: null }],
    'push.unsubscribe': [null, { endpoint: 'https://push.example/1' }],
    'reaction.send': [session, { session: 's9', emoji: '1F44B' }],
  };
  const own = {
    accounts: { google: { name: 'Ada' }, twitch: { name: 'ada' } },
    favorites: ['1F600', '1F44B', '2764-FE0F'],
    recent_emojis: ['1F44B', '1F600'],
    custom_emojis: { c_1: { id: 'c_1', name: 'wink', status: 'pending', url: '/files/x', version: 1 } },
    notifications: { unread_count: 3, items: { n1: { id: 'n1', read: false }, n2: { id: 'n2', read: false }, n3: { id: 'n3', read: false } } },
  };
  assert.deepEqual(Object.keys(cases).sort(), Object.keys(MUTATIONS).sort());
  for (const [name, [open, args]] of Object.entries(cases)) {
    const world = new World(() => AT);
    world.addUser(42, 'Ada');
    world.append(42, [{ kind: 'x', patch: open ? { ...own, session: open } : own }]);
    const before = world.snapshot(42).state;
    const patch = predict(before, name, args, { at: AT, id: 's1' });
    world.mutate(42, { mid: 'm', name, args });
    assert.deepEqual(patch === null ? before : applyPatch(before, patch), world.snapshot(42).state, name);
  }
});

test('what the server would not do to favourites and accounts is not shown as done', () => {
  const moment = { at: AT, id: 'new' };
  const full = Array.from({ length: 200 }, (_, index) => `c_${index}`);
  const cases = [
    [{ favorites: full }, 'favorite.add', { emoji: '1F600' }],
    [{ favorites: ['1F600'] }, 'favorite.add', { emoji: '1F600' }],
    [{}, 'favorite.remove', { emoji: '1F600' }],
    [{ favorites: ['1F600'] }, 'favorite.move', { emoji: '1F44B', after: null }],
    [{ favorites: ['1F600'] }, 'favorite.move', { emoji: '1F600', after: '1F44B' }],
    [{ favorites: ['1F600'] }, 'favorite.move', { emoji: '1F600', after: '1F600' }],
    [{ accounts: {} }, 'account.unlink', { provider: 'google' }],
    [{ custom_emojis: {} }, 'custom_emoji.delete', { id: 'c_1' }],
    [{}, 'notification.read', { up_to: 'n1' }],
    [{ notifications: { unread_count: 0, items: { n1: { read: true } } } }, 'notification.read', { ids: ['n1', 'n9'] }],
    [{ notifications: { unread_count: 0, items: {} } }, 'notification.dismiss', { id: 'n1' }],
  ];
  for (const [state, name, args] of cases) assert.equal(predict(state, name, args, moment), null, `${name} ${JSON.stringify(args)}`);
  const recent = Array.from({ length: 32 }, (_, index) => `c_${index}`);
  assert.equal(predict({ recent_emojis: recent }, 'emoji.use', { emoji: '1F600', count: 1 }, moment)?.recent_emojis.length, 32);
});

test('what is about another session than the open one is not predicted', () => {
  const moment = { at: AT, id: 'new' };
  for (const name of ['session.update', 'session.pause', 'session.resume', 'session.end']) {
    assert.equal(predict({ session }, name, { id: 'other', activity: 'x' }, moment), null, name);
    assert.equal(predict({}, name, { id: 's1', activity: 'x' }, moment), null, name);
  }
  assert.equal(predict({ session }, 'session.start', { activity: 'x' }, moment), null);
  assert.equal(predict({ session }, 'session.resume', { id: 's1' }, moment), null);
  assert.equal(predict({}, 'something.new', {}, moment), null);
});

test('a lane is what the mutation is about', () => {
  assert.equal(laneOf('session.start'), laneOf('session.end'));
  assert.notEqual(laneOf('session.start'), laneOf('profile.update'));
});
