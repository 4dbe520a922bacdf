/** The state diagram of the data-flow architecture, transition by transition, and the delivery table. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DELIVERY, nextDelivery } from '../../static/js/client/delivery.js';
import { JOURNEY, nextPhase } from '../../static/js/client/journey.js';
import { aDevice } from './support/device.js';

/** The diagram as it was drawn ("Real-time Data Synchronization"). */
const DIAGRAM = `
Idle --> UserAction : User Interaction
UserAction --> Validating : Validate Input
Validating --> Processing : Valid Data
Validating --> Error : Invalid Data
Processing --> DatabaseWrite : Business Logic
DatabaseWrite --> CacheUpdate : Data Persisted
CacheUpdate --> UIUpdate : Cache Updated
UIUpdate --> Idle : UI Refreshed
Error --> ErrorDisplay : Show Error
ErrorDisplay --> Idle : User Acknowledged
Processing --> OptimisticUpdate : Optimistic UI
OptimisticUpdate --> Rollback : Server Error
OptimisticUpdate --> Confirmed : Server Success
Rollback --> ErrorDisplay : Revert Changes
Confirmed --> Idle : Changes Applied`;

const draw = ({ from, to, why }) => `${from} --> ${to} : ${why}`;

test('the table is the diagram, and one way that the diagram leaves open', () => {
  const rows = JOURNEY.map(draw);
  assert.deepEqual(rows.slice(0, -1), DIAGRAM.trim().split('\n'));
  assert.deepEqual(rows.slice(-1), ['Processing --> Error : Refused before it was shown']);
});

test('there is no other way from any phase', () => {
  const phases = [...new Set(JOURNEY.flatMap(({ from, to }) => [from, to]))];
  const steps = [...new Set(JOURNEY.map(({ step }) => step))];
  let ways = 0;
  for (const phase of phases) for (const step of steps) if (nextPhase(phase, step)) ways += 1;
  assert.equal(ways, JOURNEY.length);
});

const taken = (device) => device.steps.map(({ from, to }) => `${from} > ${to}`);

test('every transition is taken by a client at work', async () => {
  const { device, world, clock } = aDevice();
  await device.open();
  const { client } = device;
  const begun = ['Idle > UserAction', 'UserAction > Validating', 'Validating > Processing'];

  client.mutate('profile.update', { name: 'Grace' });
  await clock.advance(50);
  assert.deepEqual(taken(device), [...begun, 'Processing > OptimisticUpdate', 'OptimisticUpdate > Confirmed', 'Confirmed > Idle']);

  device.steps.length = 0;
  const rejected = client.mutate('profile.update', { name: 'Taken' });
  await clock.advance(50);
  client.acknowledge(rejected.mid);
  assert.deepEqual(taken(device).slice(3), [
    'Processing > OptimisticUpdate',
    'OptimisticUpdate > Rollback',
    'Rollback > ErrorDisplay',
    'ErrorDisplay > Idle',
  ]);

  device.steps.length = 0;
  const invalid = client.mutate('profile.update', { name: 'A' });
  await invalid.shown;
  client.acknowledge(invalid.mid);
  assert.deepEqual(taken(device).slice(2), ['Validating > Error', 'Error > ErrorDisplay', 'ErrorDisplay > Idle']);

  device.steps.length = 0;
  world.append(42, [{ kind: 'x', patch: { session: { id: 's9', activity: 'Here', status: 'active', started_at: '2026-03-01T11:00:00Z', paused_s: 0, version: 1 } } }]);
  client.mutate('session.end', { id: 's9' }); // not known here yet, so it cannot be predicted
  await clock.advance(50);
  assert.deepEqual(taken(device), [
    ...begun,
    'Processing > DatabaseWrite',
    'DatabaseWrite > CacheUpdate',
    'CacheUpdate > UIUpdate',
    'UIUpdate > Idle',
  ]);

  device.steps.length = 0;
  client.mutate('no.such', {});
  await clock.advance(50);
  assert.deepEqual(taken(device).slice(3), ['Processing > Error', 'Error > ErrorDisplay']);
});

test('delivery: in doubt never becomes anything but a verdict, or too old', () => {
  assert.equal(nextDelivery('in_doubt', 'refuse'), 'in_doubt');
  assert.equal(nextDelivery('in_doubt', 'send'), 'in_doubt');
  assert.equal(nextDelivery('in_doubt', 'doubt'), null);
  const ends = new Set(Object.values(DELIVERY.in_doubt));
  assert.deepEqual(ends, new Set(['in_doubt', 'confirmed', 'rolled_back', 'expired']));
});

test('delivery: what ended stays ended, and what is on its way cannot expire', () => {
  for (const end of ['confirmed', 'rolled_back', 'expired']) assert.deepEqual(DELIVERY[end], {});
  assert.equal(nextDelivery('sent', 'expire'), null);
});
