/** What the page says: times, emoji, and a cure for everything that can be refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apply, cureOf } from '../../static/js/page/cures.js';
import { guess, nameOf, SOME_EMOJI, toChar } from '../../static/js/page/emoji.js';
import { asClock, asWords, initials, ranFor } from '../../static/js/page/format.js';
import { words } from '../../static/js/page/messages.js';
import { longestRise } from '../../static/js/views/dom.js';
import { announced, newestFirst, noticeOf } from '../../static/js/page/notices.js';
import { MUTATIONS } from '../../static/js/idling-client.js';

const AT = Date.parse('2026-03-01T12:00:00Z');

test('a running clock leaves out the pauses, and stands still in one', () => {
  const session = { id: 's', activity: 'x', status: 'active', started_at: '2026-03-01T11:00:00Z', paused_s: 600, version: 1 };
  assert.equal(ranFor(session, AT), 3000);
  assert.equal(ranFor({ ...session, paused_at: '2026-03-01T11:30:00Z' }, AT), 1200);
  assert.equal(ranFor(session, Date.parse('2026-03-01T10:00:00Z')), 0);
});

test('durations are said as people say them', () => {
  assert.deepEqual([0, 61, 3600, 3661, 360_000].map(asClock), ['0:00', '1:01', '1:00:00', '1:01:01', '100:00:00']);
  assert.deepEqual([0, 59, 60, 3600, 3900, 86_400, 200_000].map(asWords), ['a moment', 'a moment', '1 min', '1 h', '1 h 5 min', '1 day', '2 days']);
});

test('initials are letters of the name, or its first sign', () => {
  assert.deepEqual(['Quiet Heron 42', 'ada', '42', '\u{1F600} Ada', ' ', ''].map(initials), ['QH', 'A', '4', 'A', '?', '?']);
});

test('an emoji is drawn from its id and from itself', () => {
  assert.equal(toChar('1F600'), '\u{1F600}');
  assert.equal(toChar('2764-FE0F'), '\u2764\uFE0F');
  assert.equal(toChar('1f468-200d-1f680'), '\u{1F468}\u200D\u{1F680}');
  assert.equal(toChar('\u{1F600}'), '\u{1F600}');
  assert.equal(toChar('FFFFFF'), 'FFFFFF');
  assert.equal(toChar('D800'), 'D800');
  for (const none of [null, undefined, '', 'c_01']) assert.equal(toChar(none), null);
  assert.equal(nameOf('1F375'), 'tea');
});

test('words find the emoji that goes with them', () => {
  assert.equal(toChar(guess('Drinking tea')), '\u{1F375}');
  assert.equal(guess('I am Reading a book'), '1F4D6');
  assert.equal(guess('two cats'), '1F408');
  assert.equal(guess('steady steam'), null);
  assert.equal(guess(''), null);
  assert.equal(new Set(SOME_EMOJI.map(([id]) => id)).size, SOME_EMOJI.length);
});

test('every mutation has a name that people understand', () => {
  for (const name of Object.keys(MUTATIONS)) assert.ok(Object.hasOwn(words.changes, name), name);
});

const rejected = (code, more = {}) => ({
  mid: 'm1',
  name: 'session.start',
  args: { activity: 'Reading', emoji: '1F4D6' },
  created_at: AT,
  delivery: 'rolled_back',
  phase: 'ErrorDisplay',
  attempts: 1,
  error: { code, class: 'business', message: 'The server says so.', retryable: false },
  ...more,
});

test('everything that can be refused has a reason in words and a way on', () => {
  const codes = ['session_already_active', 'session_not_active', 'session_not_found', 'name_taken', 'conflict', 'emoji_not_found', 'needs_earlier', 'invalid_arguments', 'forbidden', 'suspended', 'mid_reused', 'never_heard_of'];
  for (const code of codes) {
    const { title, actions } = cureOf(rejected(code), AT);
    assert.ok(title.length > 10 && !title.includes(code), title);
    assert.ok(actions.length > 0 && actions.every(({ label }) => label.length > 2), code);
  }
  assert.match(cureOf(rejected('never_heard_of'), AT).title, /The server says so/);
  assert.match(cureOf({ ...rejected('x'), delivery: 'expired' }, AT).title, /waited/);
});

test("a person's words are kept with what was refused", () => {
  assert.match(cureOf(rejected('session_already_active'), AT).kept ?? '', /Reading/);
  assert.match(cureOf(rejected('name_taken', { name: 'profile.update', args: { name: 'Ada' } }), AT).title, /Ada/);
});

/** A client as far as cures use it. */
class Asked {
  said = [];
  constructor(session) {
    this.view = { session };
  }
  mutate = (name, args) => void this.said.push([name, args]);
  acknowledge = (mid) => void this.said.push(['acknowledge', mid]);
  tryAgain = (mid) => void this.said.push(['again', mid]);
}

test('each remedy does what its button says', () => {
  const start = rejected('session_already_active', { current: { session: { id: 's9' } } });
  const takeOver = new Asked({ id: 's9' });
  apply(takeOver, start, 'take_over');
  assert.deepEqual(takeOver.said, [['acknowledge', 'm1'], ['session.end', { id: 's9' }], ['session.start', start.args]]);
  const plain = new Asked(undefined);
  apply(plain, start, 'without_emoji');
  assert.deepEqual(plain.said, [['acknowledge', 'm1'], ['session.start', { activity: 'Reading' }]]);
  const anew = new Asked(undefined);
  apply(anew, rejected('session_not_active', { name: 'session.update', args: { id: 's1', activity: 'Reading' } }), 'start_anew');
  assert.deepEqual(anew.said, [['acknowledge', 'm1'], ['session.start', { activity: 'Reading' }]]);
  const again = new Asked(undefined);
  apply(again, start, 'overwrite');
  assert.deepEqual(again.said, [['again', 'm1']]);
  const fine = new Asked(undefined);
  apply(fine, start, 'dismiss');
  assert.deepEqual(fine.said, [['acknowledge', 'm1']]);
});

const told = (kind, data, more = {}) => ({ id: 'n1', kind, level: 'info', title: 'As the server says it.', read: false, created_at: '2026-03-01T11:00:00Z', ...(data && { data }), ...more });

test('each kind of notification is told in our own words, and an unknown one in its own', () => {
  const scene = { now: AT, view: {}, members: [{ user: { id: 7, name: 'Ada' }, session: {} }] };
  const cases = {
    'reaction.received': [{ emoji: '1F44B', from: { id: 7, name: 'Ada' } }, /Ada/, 'wave'],
    'session.timed_out': [{ activity: 'Reading', duration_s: 3900 }, /“Reading”/, 'again'],
    'custom_emoji.reviewed': [{ custom_emoji: 'c_1', name: 'wink', status: 'approved' }, /“wink” can be used/, 'emoji'],
    'device.signed_in': [{ device: 'a phone' }, /^A phone signed in/, 'devices'],
    'device.ended': [{ device: 'a phone' }, /^A phone was signed out for safety/, 'devices'],
    'account.suspended': [{ until: '2026-03-02T11:00:00Z' }, /suspended until/, undefined],
    'mutation.rolled_back': [{ mid: 'm1', name: 'session.start', args: { activity: 'Reading' }, code: 'conflict' }, /Start “Reading”/, undefined],
  };
  for (const [kind, [data, title, action]] of Object.entries(cases)) {
    const notice = noticeOf(told(kind, data), scene);
    assert.match(notice.title, title, kind);
    assert.equal(notice.action, action, kind);
    // Told by an older server, which says less.
    assert.equal(noticeOf(told(kind, kind === 'reaction.received' ? {} : undefined), scene).title, 'As the server says it.', kind);
  }
  assert.deepEqual(noticeOf(told('never.heard.of', { a: 1 }, { level: 'warning', body: 'More.' }), scene), { icon: 'alert', title: 'As the server says it.', body: 'More.' });
  assert.equal(noticeOf(told('reaction.received', cases['reaction.received'][0]), { ...scene, members: [] }).action, undefined);
  assert.equal(noticeOf(told('session.timed_out', cases['session.timed_out'][0]), { ...scene, view: { session: { id: 's' } } }).action, undefined);
});

test('notifications stand newest first, and announcements go when their time is over', () => {
  const items = Object.fromEntries(['a', 'c', 'b'].map((id) => [id, { id }]));
  assert.deepEqual(newestFirst({ notifications: { unread_count: 0, items } }).map(({ id }) => id), ['c', 'b', 'a']);
  const announcements = {
    old: { id: 'old', published_at: '2026-03-01T10:00:00Z', expires_at: '2026-03-01T11:00:00Z' },
    first: { id: 'first', published_at: '2026-03-01T10:00:00Z' },
    last: { id: 'last', published_at: '2026-03-01T11:00:00Z', expires_at: '2026-03-01T13:00:00Z' },
  };
  assert.deepEqual(announced({ announcements }, AT).map(({ id }) => id), ['last', 'first']);
});

test('as few as can be are moved: the longest run that is in order already stays', () => {
  const cases = [[[], []], [[5], [5]], [[0, 1, 2, 3], [0, 1, 2, 3]], [[3, 0, 1, 2], [0, 1, 2]], [[1, 2, 3, 0], [1, 2, 3]], [[3, 2, 1], [1]]];
  for (const [numbers, run] of cases) assert.deepEqual(longestRise(numbers).map((index) => numbers[index]), run, String(numbers));
  // Against all subsets of a few shuffled numbers.
  let seed = 7;
  const random = () => (seed = (seed * 48271) % 0x7fffffff) / 0x7fffffff;
  for (let round = 0; round < 200; round += 1) {
    const numbers = Array.from({ length: 8 }, (_, index) => index).sort(() => random() - 0.5);
    const run = longestRise(numbers).map((index) => numbers[index]);
    assert.ok(run.every((number, index) => index === 0 || run[index - 1] < number), String(numbers));
    let longest = 0;
    for (let mask = 0; mask < 256; mask += 1) {
      const picked = numbers.filter((_, index) => mask & (1 << index));
      if (picked.every((number, index) => index === 0 || picked[index - 1] < number)) longest = Math.max(longest, picked.length);
    }
    assert.equal(run.length, longest, String(numbers));
  }
});
