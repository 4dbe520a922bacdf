/** The small parts, each by itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../../static/js/client/backoff.js';
import { lossOf } from '../../static/js/client/close-codes.js';
import { formatCursor, isBehind, parseCursor } from '../../static/js/client/cursor.js';
import { byteLength, decodeFrames } from '../../static/js/client/frames.js';
import { uuid7 } from '../../static/js/client/ids.js';
import { EventStreamParser } from '../../static/js/client/links/sse.js';
import { applyPatch } from '../../static/js/client/merge-patch.js';
import { ServerClock } from '../../static/js/client/server-clock.js';
import { FakeClock, seeded } from './support/fake-clock.js';

test('merge patch does what the examples of RFC 7386, appendix A, say', () => {
  const examples = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [['a', 'b'], ['c', 'd'], ['c', 'd']],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of examples) {
    const before = structuredClone(target);
    assert.deepEqual(applyPatch(target, patch), result);
    assert.deepEqual(target, before, 'the target is left alone');
  }
});

test('what a patch does not change stays the same object', () => {
  const state = { profile: { name: 'Ada' }, session: { id: 's1' } };
  const next = applyPatch(state, { profile: { name: 'Grace' } });
  assert.equal(next.session, state.session);
  assert.equal(applyPatch(state, { profile: { name: 'Ada' }, nothing: null }), state);
});

test('a patch with the key __proto__ changes data, not prototypes', () => {
  const next = applyPatch({}, JSON.parse('{"__proto__": {"admin": true}}'));
  assert.equal(next.admin, undefined);
  assert.ok(Object.hasOwn(next, '__proto__'));
});

test('cursors are read strictly and written back the same', () => {
  assert.equal(formatCursor(parseCursor('k3f9Zq2b.17.4')), 'k3f9Zq2b.17.4');
  for (const bad of ['', null, undefined, '17', 'e.1', 'e.1.2.3', 'e.-1.2', 'e.1.x', 'e e.1.2', `e.${'9'.repeat(16)}.1`]) {
    assert.equal(parseCursor(bad), null);
  }
});

test('behind is less in either stream, or another epoch', () => {
  const at = (text) => parseCursor(text);
  assert.equal(isBehind(at('e.1.1'), at('e.1.1')), false);
  assert.equal(isBehind(at('e.2.1'), at('e.1.1')), false);
  assert.equal(isBehind(at('e.1.1'), at('e.1.2')), true);
  assert.equal(isBehind(at('e.9.9'), at('f.1.1')), true);
  assert.equal(isBehind(null, at('e.0.0')), true);
});

test('a frame may hold several objects; what is none of ours is left out', () => {
  assert.deepEqual(decodeFrames('{"type":"a"}\n{"type":"b"}'), [{ type: 'a' }, { type: 'b' }]);
  assert.deepEqual(decodeFrames('{"type":"a"}\n\nnull\n[1]\n{"type":1}\n{bad\n{"type":"b"}'), [{ type: 'a' }, { type: 'b' }]);
  assert.equal(byteLength('\u{1F600}é'), 6);
});

test('close codes are told by their band, also those that nobody has heard of', () => {
  const kinds = { 1000: 'again', 1001: 'again', 1006: 'broken', 1009: 'broken', 1012: 'again', 4001: 'auth', 4042: 'stop', 4100: 'busy', 4177: 'busy', 4200: 'again', 4203: 'auth', 4299: 'again', 4300: 'broken' };
  for (const [code, kind] of Object.entries(kinds)) assert.equal(lossOf(Number(code), '', null).kind, kind, code);
});

test('a close whose code was lost on the way is told by the goodbye', () => {
  const loss = lossOf(1006, '', { code: 4200, reason: 'draining', retry_ms: 300 });
  assert.deepEqual(loss, { kind: 'again', code: 4200, reason: 'draining', retryMs: 300 });
});

test('backoff stays between a second and a minute, grows, and spreads a crowd', () => {
  const random = seeded(7);
  const backoff = new Backoff(random);
  const waits = Array.from({ length: 200 }, () => backoff.next());
  assert.ok(Math.min(...waits) >= 1000 && Math.max(...waits) <= 60_000);
  assert.ok(Math.max(...waits.slice(10)) > 50_000);
  const firsts = Array.from({ length: 100 }, () => new Backoff(random).next());
  assert.equal(new Set(firsts).size, 100);
  assert.ok(Math.max(...firsts) <= 2000);
});

test('mids are UUIDv7: version, variant, and sorted by time', () => {
  const random = seeded(3);
  const bytes = (count) => Uint8Array.from({ length: count }, () => Math.floor(random() * 256));
  const ids = [1, 2, 1_700_000_000_000, 1_700_000_000_001].map((now) => uuid7(now, bytes));
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(Number.parseInt(ids[2].replace('-', '').slice(0, 12), 16), 1_700_000_000_000);
});

test('an event stream is read the same however it is cut', () => {
  const text = ': hello\r\nevent: entry\r\nid: e.1.0\r\ndata: {"a":\r\ndata: 1}\r\n\r\n: still here\n\ndata: two\n\nevent: lost\ndata: never ended';
  const whole = new EventStreamParser().push(text);
  assert.deepEqual(whole, [
    { event: 'entry', data: '{"a":\n1}', id: 'e.1.0' },
    { event: 'message', data: 'two', id: 'e.1.0' },
  ]);
  for (let size = 1; size < 12; size += 1) {
    const parser = new EventStreamParser();
    const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g'));
    assert.deepEqual(pieces.flatMap((piece) => parser.push(piece)), whole, `cut every ${size}`);
  }
});

test("the server's clock is learned from the frame that was least late", () => {
  const clock = new FakeClock();
  const time = new ServerClock(clock);
  const iso = (ms) => new Date(ms).toISOString();
  time.learn(iso(clock.now() + 60_000 - 400));
  time.learn(iso(clock.now() + 60_000 - 20));
  time.learn(iso(clock.now() + 60_000 - 5000));
  assert.ok(Math.abs(time.now() - clock.now() - 60_000) <= 100);
  time.learn('nonsense');
  time.learn(undefined);
  assert.ok(Math.abs(time.now() - clock.now() - 60_000) <= 100);
});
