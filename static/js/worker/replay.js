/**
 * Background Sync: what waits in the outbox is sent when the line is back, also when no page is open.
 *
 * The worker is a client like every tab, of those that only use REST. It takes the line if
 * no tab has it, sends what waits under the same ids, writes down what became of it, and
 * gives the line up as soon as nothing waits or a tab wants it. Nothing here knows how a
 * change is sent: whatever a tab can do, this can.
 */
import { browserEnvironment, createClient, isFailed, isPending } from '../idling-client.js';

export const OUTBOX_TAG = 'outbox';
/** Browsers stop a worker that takes much longer. */
const WITHIN_MS = 60_000;

/** Something still waits: no fault, but what makes the browser try again. */
class NotSentError extends Error {
  name = 'NotSentError';
}

/**
 * @param {string} origin
 * @returns {Promise<void>} Rejected when something still waits: then the browser tries again later.
 */
export async function replay(origin) {
  const env = browserEnvironment();
  // Nobody looks: of what is not accepted the server tells all devices of the person.
  const away = { ...env, fetch: (/** @type {string} */ url, /** @type {RequestInit} */ init = {}) => env.fetch(url, { ...init, headers: { ...init.headers, 'Idling-Away': '1' } }) };
  const client = createClient({ origin, env: away, name: 'idling-worker', isVisitor: true, transports: ['poll'] });
  const outcome = await new Promise((resolve) => {
    setTimeout(() => resolve('late'), WITHIN_MS);
    const judge = () => {
      const { status } = client.connection;
      // Confirmed is not enough: with its effects in what is kept, the next visit begins with the truth.
      if (status === 'limited' && client.changes.every(isFailed)) resolve('sent');
      else if (status === 'signed_out' || status === 'suspended' || status === 'refused') resolve('stopped');
      else if (status === 'offline' || status === 'busy') resolve('no line');
    };
    client.on('turned_away', () => resolve('a tab does it'));
    client.on('connection', judge);
    client.on('changes', judge);
    client.open().then(() => client.changes.some(isPending) || resolve('nothing'), () => resolve('no storage'));
  });
  await client.close();
  if (outcome === 'late' || outcome === 'no line') throw new NotSentError(`the outbox could not be sent: ${outcome}`);
}
