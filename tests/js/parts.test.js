/** A long list in parts: each in sight has whole rows, and a change makes few go over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { divide } from '../../static/js/views/parts.js';

const SIZE = 60;

/** A list as it stands in its parts, which is changed and divided anew. */
class List {
  parts = [];

  /** @param {number[]} ids @returns {number} How many have gone over into another part. */
  become(ids) {
    const places = new Map(ids.map((id, place) => [id, place]));
    const was = new Map(this.parts.flatMap((part) => part.ids.map((id) => [id, part])));
    const runs = divide(ids.length, this.parts.map((part) => ({ isInSight: part.isInSight, places: part.ids.flatMap((id) => places.get(id) ?? []) })), SIZE);
    this.parts = runs.map(({ part, begin, end }) => Object.assign(part === null ? { isInSight: false } : this.parts[part], { ids: ids.slice(begin, end) }));
    assert.deepEqual(this.ids, ids);
    assert.equal(new Set(this.parts).size, this.parts.length);
    this.parts.forEach(({ ids: held, isInSight }, index) => {
      assert.ok(held.length > 0 && held.length < 2 * SIZE);
      if (isInSight && index < this.parts.length - 1) assert.equal(held.length, SIZE);
    });
    return this.parts.reduce((sum, part) => sum + part.ids.filter((id) => was.has(id) && was.get(id) !== part).length, 0);
  }

  /** @param {...number} indices */
  see(...indices) {
    this.parts.forEach((part, index) => (part.isInSight = indices.includes(index)));
  }

  get ids() {
    return this.parts.flatMap(({ ids }) => ids);
  }
}

/** The newest first. @param {number} from @param {number} count */
const people = (from, count) => Array.from({ length: count }, (_, index) => from - index);

/** @param {number} count @param {...number} inSight */
function listOf(count, ...inSight) {
  const list = new List();
  list.become(people(count, count));
  list.see(0, ...inSight);
  return list;
}

test('a list that is new has parts of one size', () => {
  const list = listOf(1000);
  assert.deepEqual(list.parts.map(({ ids }) => ids.length), [...Array(16).fill(SIZE), 40]);
  assert.equal(list.become(list.ids), 0);
  assert.deepEqual(divide(0, [], SIZE), []);
});

test('who goes out of sight moves nobody else, however long the list is', () => {
  for (const count of [300, 1000]) {
    const list = listOf(count, 1);
    assert.equal(list.become(list.ids.filter((id) => id % 100 !== 7 || id > count - 130)), 0);
  }
});

test('who comes makes one go over from each part in sight, and none behind', () => {
  for (const count of [300, 1000]) {
    const list = listOf(count, 1, 2);
    assert.equal(list.become([...people(count + 5, 5), ...list.ids]), 15);
  }
});

test('what was out of sight has whole rows as soon as it is seen', () => {
  const list = listOf(1000);
  list.become(list.ids.filter((id) => id % 3 !== 0 || id > 900));
  list.see(0, 4, 5);
  list.become(list.ids);
  assert.deepEqual([4, 5].map((part) => list.parts[part].ids.length), [SIZE, SIZE]);
});

test('parts that have become small are one again, and who all come at once are many parts', () => {
  const list = listOf(600);
  list.become(list.ids.filter((id) => id > 540 || id % 4 === 0));
  assert.ok(list.parts.length <= 5);
  list.become([...people(1600, 1000), ...list.ids]);
  assert.ok(list.parts.length >= 15);
});

test('whatever happens to the list, it stands in its parts, and who stays mostly stays', () => {
  let seed = 7;
  const random = (/** @type {number} */ below) => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below;
  const list = listOf(500);
  let newest = 500;
  let moved = 0;
  for (let round = 0; round < 500; round += 1) {
    const ids = list.ids.filter(() => random(100) > 1);
    // Somebody begins anew, and stands first.
    const again = ids.splice(random(ids.length), 1);
    const came = people(newest + 10, 10);
    newest += 10;
    moved += list.become([...again, ...came, ...ids]);
    if (round % 5 === 0) list.see(0, random(list.parts.length), random(list.parts.length));
  }
  assert.ok(moved < 500 * 20, `${moved}`);
});
