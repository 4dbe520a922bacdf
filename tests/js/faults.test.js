/** What the page reports of its own faults: seldom, little, and nothing of anybody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Faults, FIRST_AFTER_MS, MAX_PLACES, MAX_REPORTS } from '../../static/js/page/faults.js';

const ORIGIN = 'https://room.test';

function watching() {
  const sent = [];
  const due = [];
  const faults = new Faults({ origin: ORIGIN, send: (body) => sent.push(JSON.parse(body).errors), later: (run, ms) => due.push({ run, ms }) });
  return { sent, due, faults };
}

function thrown(message, stack, kind = TypeError) {
  const error = new kind(message);
  error.stack = stack;
  return error;
}

test('an error is a name, a module of ours and a line; never its words, nor an address with a query', () => {
  const { sent, faults } = watching();
  faults.note(thrown('secret of Ada', `TypeError: secret of Ada\n    at x (${ORIGIN}/static/js/page/door.js?token=1:12:3)`));
  faults.note(thrown('secret', `URIError: secret\n    at y (${ORIGIN}/static/v-0123456789abcdef/js/worker/answers.js:3:4)`, URIError));
  faults.note(thrown('secret', 'irrelevant', RangeError), { file: `${ORIGIN}/static/js/app.js?v=2#x`, line: 7 });
  faults.flush();
  assert.deepEqual(sent, [
    [
      { name: 'TypeError', module: '/static/js/page/door.js', line: 12, count: 1 },
      { name: 'URIError', module: '/static/js/worker/answers.js', line: 3, count: 1 },
      { name: 'RangeError', module: '/static/js/app.js', line: 7, count: 1 },
    ],
  ]);
  assert.ok(!JSON.stringify(sent).includes('secret') && !JSON.stringify(sent).includes('token'));
});

test('what lies elsewhere is not named: other origins, extensions, paths that people chose', () => {
  const { sent, faults } = watching();
  for (const file of ['https://other.test/static/js/app.js', 'chrome-extension://abc/static/js/app.js', `${ORIGIN}/static/js/../../u/Ada.js`, `${ORIGIN}/files/Ada`, 'not an address']) {
    faults.note(thrown('x', `at ${file}:1:1`), { file, line: 3 });
  }
  faults.note('a string that somebody threw');
  faults.note(undefined);
  faults.note({ name: 'Ada', stack: 5 });
  faults.flush();
  assert.deepEqual(sent, [
    [
      { name: 'TypeError', module: '', line: 0, count: 5 },
      { name: 'other', module: '', line: 0, count: 3 },
    ],
  ]);
});

test('what repeats is counted and told rarer and rarer, and not for ever', () => {
  const { sent, due, faults } = watching();
  for (let batch = 0; batch < MAX_REPORTS + 3; batch += 1) {
    for (let n = 0; n < 10; n += 1) faults.note(thrown('x', ''), { file: '/static/js/app.js', line: 1 });
    due.shift()?.run();
  }
  assert.equal(sent.length, MAX_REPORTS);
  assert.deepEqual(sent.map(([{ count }]) => count), Array(MAX_REPORTS).fill(10));
  assert.equal(due.length, 0);
});

test('batches wait twice as long each time; a page that goes sends what it has', () => {
  const { sent, due, faults } = watching();
  faults.note(new TypeError('x'));
  faults.note(new TypeError('x'));
  assert.deepEqual(due.map(({ ms }) => ms), [FIRST_AFTER_MS]);
  due.shift().run();
  faults.note(new TypeError('x'));
  assert.deepEqual(due.map(({ ms }) => ms), [2 * FIRST_AFTER_MS]);
  faults.flush();
  assert.equal(sent.length, 2);
  due.shift().run();
  assert.equal(sent.length, 2, 'there is nothing left to send');
});

test('there are never too many places in a report', () => {
  const { sent, faults } = watching();
  for (let line = 1; line < 100; line += 1) faults.note(new TypeError('x'), { file: '/static/js/app.js', line });
  faults.flush();
  assert.equal(sent[0].length, MAX_PLACES);
});
