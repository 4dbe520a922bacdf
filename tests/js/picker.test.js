/** The picker's own rules: order, tones, and what it asks for. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Catalogue, inTone } from '../../static/js/page/catalogue.js';
import { moveTo } from '../../static/js/views/favorite-order.js';

const realFetch = globalThis.fetch;
afterEach(() => void (globalThis.fetch = realFetch));

/** Answers by path, and remembers what was asked. */
function serve(answers) {
  const asked = [];
  globalThis.fetch = (url) => {
    asked.push(url);
    const body = answers[url.split('?')[0]];
    if (body === undefined) return Promise.reject(new TypeError('no line'));
    return Promise.resolve(new Response(JSON.stringify(body), { status: body.code ? 503 : 200 }));
  };
  return asked;
}

const wave = { id: '1F44B', name: 'waving hand', category: 'people-body', keywords: ['hello'], skin_tones: [{ id: '1F44B-1F3FF', char: '', tones: ['dark'] }, { id: 'both', char: '', tones: ['dark', 'light'] }] };
const catalogue = (own = {}) => new Catalogue(() => undefined, () => own);

test('a move says behind what, and nothing where nothing moves', () => {
  const favorites = ['a', 'b', 'c', 'd'];
  assert.deepEqual(moveTo(favorites, 'c', 0), { emoji: 'c', after: null });
  assert.deepEqual(moveTo(favorites, 'a', 2), { emoji: 'a', after: 'c' });
  assert.deepEqual(moveTo(favorites, 'b', 99), { emoji: 'b', after: 'd' });
  assert.deepEqual(moveTo(favorites, 'd', -5), { emoji: 'd', after: null });
  assert.equal(moveTo(favorites, 'b', 1), null);
  assert.equal(moveTo(favorites, 'a', -1), null);
  assert.equal(moveTo(favorites, 'd', 4), null);
  assert.equal(moveTo(favorites, 'x', 0), null);
});

test('an emoji has one tone or its own id', () => {
  assert.equal(inTone(wave, 'dark'), '1F44B-1F3FF');
  assert.equal(inTone(wave, 'light'), '1F44B');
  assert.equal(inTone(wave, 'none'), '1F44B');
  assert.equal(inTone({ id: '1F375', name: 'tea', category: 'food-drink' }, 'dark'), '1F375');
});

test('each page is fetched once, however many ask, and again after it failed', async () => {
  const asked = serve({ '/api/emojis/categories/people-body': { emojis: [wave] } });
  const here = catalogue();
  await Promise.all([here.load('people-body'), here.load('people-body')]);
  await here.load('people-body');
  assert.equal(asked.length, 1);
  assert.equal(here.nameOf('1F44B-1F3FF'), 'waving hand');
  assert.equal(await here.load('flags'), null);
  serve({ '/api/emojis/categories/flags': { emojis: [] } });
  assert.deepEqual(await here.load('flags'), []);
});

test("one's own custom emoji stand before those of others, once", async () => {
  serve({ '/api/emojis/categories/custom': { emojis: [{ id: 'c_2', name: 'theirs', url: '/files/2', category: 'custom' }, { id: 'c_1', name: 'mine', url: '/files/1', category: 'custom' }] } });
  const here = catalogue({ c_1: { id: 'c_1', name: 'mine', status: 'pending', url: '/files/1', version: 1 } });
  assert.equal(here.urlOf('c_1'), '/files/1');
  await here.load('custom');
  assert.deepEqual(here.page('custom').map(({ id }) => id), ['c_1', 'c_2']);
  assert.equal(here.urlOf('c_2'), '/files/2');
  assert.equal(here.urlOf('1F44B'), null);
});

test('without a line what was looked at is searched; a server that is unwell is not passed off as nothing found', async () => {
  serve({ '/api/emojis/categories/people-body': { emojis: [wave] } });
  const here = catalogue();
  await here.load('people-body');
  const { signal } = new AbortController();
  assert.deepEqual(await here.search('hel', 'none', signal), { emojis: [wave], isPartial: true });
  serve({ '/api/emojis/search': { code: 'unavailable' } });
  assert.equal(await here.search('hel', 'none', signal), null);
});
