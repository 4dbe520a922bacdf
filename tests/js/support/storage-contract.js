/**
 * What every storage must do, as checks that run under Node and inside a page alike.
 *
 * @param {() => any} make  A storage over the same records each time it is called.
 */
export async function checkStorage(make) {
  const storage = make();
  same(await storage.load('1'), { cursor: null, state: {}, changes: [] }, 'nothing at first');
  await storage.commit('1', { base: { cursor: 'e.1.0', state: { a: 1 } }, put: [change('m1'), change('m2')] });
  await storage.commit('1', { put: [change('m1', { delivery: 'sent' }), change('m3')], remove: ['m2'] });
  const saved = await make().load('1');
  same(saved.changes.map(({ mid, delivery }) => [mid, delivery]), [['m1', 'sent'], ['m3', 'queued']], 'in the order of the mids');
  same([saved.cursor, saved.state], ['e.1.0', { a: 1 }], 'the position');
  same((await storage.load('2')).changes, [], 'another account sees nothing');
  await storage.commit('2', { put: [change('m9')] });
  await storage.clear('1');
  same((await storage.load('1')).changes, [], 'cleared');
  same((await storage.load('2')).changes.length, 1, 'the other account is kept');
  same(await storage.account(), null, 'nobody yet');
  await storage.setAccount('1');
  same(await make().account(), '1', 'who it is');
  await storage.setAccount(null);
  same(await storage.account(), null, 'nobody any more');
  await checkTwoWriters(make(), make());
}

/** Two tabs: changes of both are kept, and the position only moves forward. */
async function checkTwoWriters(one, two) {
  await Promise.all([
    one.commit('3', { base: { cursor: 'e.5.0', state: { at: 5 } }, put: [change('m1')] }),
    two.commit('3', { put: [change('m2')] }),
  ]);
  await two.commit('3', { base: { cursor: 'e.3.0', state: { at: 3 } } });
  const saved = await one.load('3');
  same([saved.cursor, saved.state, saved.changes.map(({ mid }) => mid)], ['e.5.0', { at: 5 }, ['m1', 'm2']], 'both, and the later position');
  await two.commit('3', { base: { cursor: 'e.2.0', state: { at: 2 }, replace: true } });
  same((await one.load('3')).cursor, 'e.2.0', 'set back on purpose');
  await one.commit('3', { base: { cursor: 'f.0.0', state: {} } });
  same((await one.load('3')).cursor, 'f.0.0', 'another epoch');
}

export const change = (mid, more = {}) => ({ mid, name: 'x.y', args: {}, created_at: 1, delivery: 'queued', phase: 'Processing', attempts: 0, ...more });

function same(actual, expected, what) {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`);
}
