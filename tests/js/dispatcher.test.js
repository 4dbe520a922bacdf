/** What is sent when, and what an answer that is no verdict means: never that a change has failed whose fate is unknown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dispatcher, EXPIRES_AFTER_MS } from '../../static/js/client/dispatcher.js';
import { stepsOfBeginning } from '../../static/js/client/journey.js';
import { Replica } from '../../static/js/client/replica.js';
import { FakeClock } from './support/fake-clock.js';

/** A dispatcher on a socket that is up, with one change. */
function aDispatcher(facts = {}) {
  const clock = new FakeClock();
  const replica = new Replica();
  const sent = [];
  const dispatcher = new Dispatcher({ clock, replica, send: (frames) => sent.push(...frames), changed: () => dispatcher.pump() });
  const change = { mid: 'm1', name: 'profile.update', args: { bio: 'x' }, created_at: clock.now(), delivery: 'queued', phase: 'Idle', attempts: 0 };
  replica.add({ ...change, ...facts }, stepsOfBeginning({ valid: true, predicted: true }));
  dispatcher.linkUp({ takesBatches: false });
  dispatcher.pump();
  return { clock, replica, dispatcher, sent, delivery: () => replica.change('m1').delivery };
}

test('a defect of the server and a lost login say nothing about the change', () => {
  for (const [kind, expected] of [['system', 'queued'], ['auth', 'queued'], ['validation', 'rolled_back']]) {
    const { dispatcher, delivery } = aDispatcher();
    dispatcher.refused('m1', { code: 'x', class: kind, retryable: false });
    assert.equal(delivery(), expected);
  }
});

test('a request that was lost leaves its change in doubt, and it is asked about again', async () => {
  const { clock, dispatcher, sent, delivery } = aDispatcher();
  dispatcher.unanswered('m1');
  dispatcher.pump();
  assert.equal(delivery(), 'in_doubt');
  assert.equal(sent.length, 1);
  await clock.advance(2000);
  assert.deepEqual(sent.map(({ mid }) => mid), ['m1', 'm1']);
});

test('what is being asked about does not expire: its answer is on the way', async () => {
  const old = new FakeClock().now() - EXPIRES_AFTER_MS + 1000;
  const { clock, dispatcher, delivery } = aDispatcher({ created_at: old });
  await clock.advance(3000);
  dispatcher.pump();
  assert.equal(delivery(), 'in_doubt');
  dispatcher.linkDown();
  dispatcher.pump();
  assert.equal(delivery(), 'expired');
});

test('what waits for a name is not sent without it', () => {
  const { dispatcher, replica, sent } = aDispatcher();
  const change = { mid: 'm2', name: 'session.update', args: { id: 'new.m1', activity: 'y' }, needs: { mid: 'm1', arg: 'id' }, delivery: 'queued', phase: 'Idle', attempts: 0 };
  replica.add({ ...change, created_at: 1e15 }, stepsOfBeginning({ valid: true, predicted: true }));
  dispatcher.pump();
  assert.deepEqual(sent.map(({ mid }) => mid), ['m1']);
});
