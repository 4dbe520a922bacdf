/**
 * The client of Idling.app's protocol `idling.v1`: everything a page or another program needs, in one import.
 *
 *     import { createClient } from './idling-client.js';
 *
 *     const client = createClient();
 *     client.on('view', (state) => draw(state));
 *     client.on('connection', (connection) => say(connection.status));
 *     await client.open();
 *     const { done } = client.mutate('session.start', { activity: 'Reading', emoji: '1F4DA' });
 *     const { delivery, error } = await done; // `confirmed`, or `rolled_back` and why
 *
 * It knows nothing of any page.
 */
import { IdlingClient } from './client/client.js';
import { browserEnvironment } from './client/environment.js';
import { SteadyStorage } from './client/steady-storage.js';

export { IdlingClient } from './client/client.js';
export { isFailed, isPending } from './client/delivery.js';
export { browserEnvironment } from './client/environment.js';
export { JOURNEY } from './client/journey.js';
export { IndexedStorage } from './client/indexed-storage.js';
export { applyPatch } from './client/merge-patch.js';
export { MUTATIONS } from './client/mutations.js';
export { SteadyStorage } from './client/steady-storage.js';
export { MemoryStorage } from './client/storage.js';
export { VERSION } from './client/line.js';

/**
 * A client with the browser's own parts where none are given.
 *
 * @param {Partial<import('./client/client.js').Parts>} [options]
 */
export function createClient({ origin = location.origin, env = browserEnvironment(), storage = new SteadyStorage(), ...rest } = {}) {
  return new IdlingClient({ origin, env, storage, ...rest });
}
