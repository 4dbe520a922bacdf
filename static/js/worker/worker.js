/**
 * The service worker: opens the page without a line, keeps what is public and lasts, and sends what waits when no page is open.
 *
 * @import {Shell} from './shell.js'
 */
import { answerFromCache } from './answers.js';
import { watchWorker } from './faults.js';
import { policyOf } from './policy.js';
import { hearPushes } from './pushed.js';
import { OUTBOX_TAG, replay } from './replay.js';
import { dropOtherShells, installShell, openShell } from './shell.js';

/** @param {Shell | null} shell  What this version consists of; null when it was not served by the server. */
export function work(shell) {
  const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
  const watched = watchWorker(worker);
  if (!shell) throw new Error('the server has not said what belongs to the shell');

  worker.addEventListener('install', (event) => event.waitUntil(watched(installShell(shell))));

  worker.addEventListener('activate', (event) => {
    event.waitUntil(watched(dropOtherShells(shell).then(() => worker.clients.claim())));
  });

  worker.addEventListener('fetch', (event) => {
    const { request } = event;
    const policy = policyOf(request, worker.location.origin, shell);
    // What has no policy is none of our business: personal answers and streams go their way untouched.
    if (policy?.strategy === 'shell') event.respondWith(watched(openShell(request, shell)));
    else if (policy) event.respondWith(watched(answerFromCache(request, policy, (work) => event.waitUntil(watched(work)))));
  });

  worker.addEventListener('message', ({ data }) => {
    // Said by a page whose person wants the new version now.
    if (data === 'take over') void worker.skipWaiting();
  });

  hearPushes(worker, watched);

  worker.addEventListener('sync', (event) => {
    const { tag, waitUntil } = /** @type {any} */ (event);
    if (tag === OUTBOX_TAG) waitUntil.call(event, watched(replay(worker.location.origin)));
  });
}
