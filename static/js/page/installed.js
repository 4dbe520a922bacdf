/**
 * The page as something that is installed: opens without a line, changes version when asked to, and sends what waits even when it is closed.
 *
 * @import {IdlingClient} from '../client/client.js'
 */

/** The one name under which the service worker knows the outbox. */
const OUTBOX_TAG = 'outbox';
const LOOK_EVERY_MS = 10 * 60_000;
const SERVED = ['live', 'limited', 'catching_up'];

/**
 * @param {IdlingClient} client
 * @param {(reload: () => void) => void} offer  A newer version is ready; `reload` changes to it.
 * @param {(place: string) => void} open  A note that the device showed was pressed.
 */
export async function install(client, offer, open) {
  const { serviceWorker } = navigator;
  // Without TLS there is none. Then the page needs a line to open, and what waits goes at the next visit.
  if (!serviceWorker) return;
  serviceWorker.addEventListener('message', ({ data }) => typeof data?.open === 'string' && open(data.open));
  serviceWorker.startMessages();
  let registration;
  try {
    registration = await serviceWorker.register('/sw.js', { type: 'module', updateViaCache: 'none' });
  } catch {
    return; // forbidden by the person, or modules in workers are not known here: the same
  }
  watchVersions(registration, offer);
  watchServer(registration, client);
  watchOutbox(client);
}

/** @param {ServiceWorkerRegistration} registration  @param {(reload: () => void) => void} offer */
function watchVersions(registration, offer) {
  const { serviceWorker } = navigator;
  let isAsked = false;
  serviceWorker.addEventListener('controllerchange', () => isAsked && location.reload());
  const tell = () =>
    offer(() => {
      isAsked = true;
      // Another tab may have changed over already: then this page only has to be loaded anew.
      if (registration.waiting) registration.waiting.postMessage('take over');
      else location.reload();
    });
  const watch = (/** @type {ServiceWorker | null} */ worker) => {
    // The first version of all is no news.
    worker?.addEventListener('statechange', () => worker.state === 'installed' && serviceWorker.controller && tell());
  };
  if (registration.waiting && serviceWorker.controller) tell();
  watch(registration.installing);
  registration.addEventListener('updatefound', () => watch(registration.installing));
}

/** Asks for a newer version when there may be one: the server was away, or it is long ago. @param {ServiceWorkerRegistration} registration  @param {IdlingClient} client */
function watchServer(registration, client) {
  let lookedAt = Date.now();
  let wasServed = true;
  const look = () => {
    lookedAt = Date.now();
    // No line, or half a deploy: the next time will do.
    registration.update().catch(() => undefined);
  };
  client.on('connection', ({ status }) => {
    const isServed = SERVED.includes(status);
    if (isServed && !wasServed) look();
    wasServed = isServed;
  });
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && Date.now() - lookedAt > LOOK_EVERY_MS) look();
  });
}

/** Has the browser wake the service worker for what waits, once there is a line. @param {IdlingClient} client */
function watchOutbox(client) {
  let isAsked = false;
  const ask = async () => {
    const { status, waiting } = client.connection;
    const isLeft = waiting > 0 && (document.hidden || !SERVED.includes(status));
    if (!isLeft) isAsked = false;
    if (!isLeft || isAsked) return;
    isAsked = true;
    const { sync } = /** @type {any} */ (await navigator.serviceWorker.ready);
    // Not every browser has it, and a person may forbid it: then what waits goes at the next visit.
    await sync?.register(OUTBOX_TAG).catch(() => undefined);
  };
  client.on('connection', () => void ask());
  document.addEventListener('visibilitychange', () => void ask());
  void ask();
}
