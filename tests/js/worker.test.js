/** The service worker's table: what it may answer and keep, and that everything else is left alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIRST_AFTER_MS } from '../../static/js/page/faults.js';
import { watchWorker } from '../../static/js/worker/faults.js';
import { isKeepable, POLICIES, policyOf } from '../../static/js/worker/policy.js';
import { noteOf } from '../../static/js/worker/pushed.js';

const ORIGIN = 'https://room.test';
const SHELL = { version: 'abc', pages: [['/', 'sha256-x']], files: [['/static/v-abc/js/app.js', 'sha256-y']] };

const asked = (path, { method = 'GET', mode = 'cors', headers = {} } = {}) =>
  policyOf({ method, mode, url: new URL(path, ORIGIN).href, headers: new Headers(headers) }, ORIGIN, SHELL)?.strategy ?? null;

test('personal answers, streams, sockets, sign-in and everything unknown are left alone', () => {
  const personal = ['/api/snapshot', '/api/events', '/api/lobby', '/api/profile', '/api/preferences', '/api/sessions', '/api/sessions/active',
    '/api/emojis/favorites', '/api/emojis/usage', '/api/emojis/custom', '/api/notifications', '/api/users/1', '/api/devices', '/auth/token',
    '/auth/login/google', '/admin', '/healthz', '/metrics', '/ws', '/sw.js', '/manifest.webmanifest', '/static/v-other/js/app.js', '/api/emojis/categoriesx'];
  for (const path of personal) assert.equal(asked(path), null, path);
});

test('what changes something, asks for a part, a stream or with a token, or goes elsewhere is left alone', () => {
  const path = '/api/emojis/categories';
  assert.equal(asked(path, { method: 'POST' }), null);
  assert.equal(asked(path, { headers: { Range: 'bytes=0-1' } }), null);
  assert.equal(asked(path, { headers: { Accept: 'text/event-stream' } }), null);
  assert.equal(asked(path, { headers: { Authorization: 'Bearer x' } }), null);
  assert.equal(asked('https://elsewhere.test/api/emojis/categories'), null);
});

test('the page and its own version come from the shell, other pages from the server', () => {
  assert.equal(asked('/', { mode: 'navigate' }), 'shell');
  assert.equal(asked('/?signed_in=1', { mode: 'navigate' }), 'shell');
  assert.equal(asked('/static/v-abc/js/app.js'), 'shell');
  assert.equal(asked('/auth/callback/google?code=1', { mode: 'navigate' }), null);
  assert.equal(asked('/api/docs', { mode: 'navigate' }), null);
});

test('public answers follow the table', () => {
  assert.equal(asked('/api/emojis/categories'), 'revalidate');
  assert.equal(asked('/api/emojis/categories/smileys'), 'revalidate');
  assert.equal(asked('/api/emojis/search?q=tea'), 'cache_first');
  assert.equal(asked('/api/emojis/popular'), 'cache_first');
  assert.equal(asked('/files/abc'), 'cache_first');
  for (const { most } of POLICIES) assert.ok(most <= 300, 'bounded');
});

test('an answer is kept only if the server called it public', () => {
  const answer = (cacheControl, more = {}) => isKeepable({ status: 200, type: 'basic', headers: new Headers({ 'Cache-Control': cacheControl }), ...more });
  assert.equal(answer('public, max-age=60'), true);
  for (const words of ['', 'no-store', 'private, no-store', 'private', 'max-age=60', 'no-cache', 'public, no-store', 'Public, Private']) assert.equal(answer(words), false, words);
  assert.equal(answer('public', { status: 206 }), false);
  assert.equal(answer('public', { status: 500 }), false);
  assert.equal(answer('public', { type: 'opaque' }), false);
  assert.equal(answer('public', { headers: new Headers({ 'Cache-Control': 'public', 'Content-Type': 'text/event-stream' }) }), false);
});

test('whatever is pushed becomes a note that leads somewhere', () => {
  const note = (text) => {
    const { title, options } = noteOf(text);
    return [title, options.tag, options.data.place];
  };
  assert.deepEqual(note('{"id":"n1","kind":"reaction.received","title":"Ada waved at you."}'), ['Ada waved at you.', 'n1', 'bell']);
  assert.deepEqual(note('{"id":"n2","kind":"device.ended","title":"Signed out."}'), ['Signed out.', 'n2', 'account']);
  for (const odd of [undefined, '', 'null', '[]', '{"title":7,"id":{}}', 'not json']) assert.deepEqual(note(odd), ['Something happened.', undefined, 'bell'], odd);
});

test('what the worker does wrong is told like a fault of the page, seldom and without words; no line is no fault', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const worker = Object.assign(new EventTarget(), { location: new URL('/sw.js', ORIGIN) });
  const sent = [];
  const watched = watchWorker(worker, (body) => sent.push(JSON.parse(body).errors));
  const fails = async (name) => {
    const error = Object.assign(new Error('secret of Ada'), { name, stack: `x\n at z (${ORIGIN}/static/v-00ff/js/worker/shell.js:9:1)` });
    await assert.rejects(watched(Promise.reject(error)), error);
    // Chromium says it again of what a page was to be answered with.
    worker.dispatchEvent(Object.assign(new Event('unhandledrejection'), { reason: error }));
  };
  assert.equal(await watched(Promise.resolve('answer')), 'answer');
  await fails('TypeError');
  await fails('NotSentError');
  context.mock.timers.tick(FIRST_AFTER_MS);
  assert.deepEqual(sent, []);
  for (let batch = 0; batch < 6; batch += 1) {
    await fails('QuotaExceededError');
    await fails('QuotaExceededError');
    worker.dispatchEvent(Object.assign(new Event('unhandledrejection'), { reason: new RangeError('secret') }));
    context.mock.timers.tick(FIRST_AFTER_MS * 2 ** batch);
  }
  const told = [{ name: 'QuotaExceededError', module: '/static/js/worker/shell.js', line: 9, count: 2 }, { name: 'RangeError', module: '', line: 0, count: 1 }];
  assert.deepEqual(sent, [told, told, told]);
});
