/**
 * What comes by Web Push while no page is open: a short note, and the way from it to the page.
 *
 * The message holds a title and an id; the whole is read on the page.
 *
 * @import {Json} from '../client/types.js'
 */
import { words } from '../page/messages.js';

const ICON = '/static/icons/icon-192.png';

/**
 * @param {string | undefined} text  What was pushed.
 * @returns {{title: string, options: NotificationOptions & {data: {place: string}}}}
 */
export function noteOf(text) {
  /** @type {{id?: unknown, kind?: unknown, title?: unknown}} */
  let pushed = {};
  try {
    pushed = JSON.parse(text ?? '') ?? {};
  } catch {
    // Something has to be shown all the same: a browser takes the right away from who stays silent.
  }
  const { id, kind, title } = pushed;
  const place = typeof kind === 'string' && kind.startsWith('device.') ? 'account' : 'bell';
  return {
    title: typeof title === 'string' && title ? title : words.pushed.other,
    options: { icon: ICON, badge: ICON, tag: typeof id === 'string' ? id : undefined, data: { place } },
  };
}

/** @param {ServiceWorkerGlobalScope} worker  @param {<T>(work: Promise<T>) => Promise<T>} watched */
export function hearPushes(worker, watched) {
  worker.addEventListener('push', (event) => {
    const { title, options } = noteOf(event.data?.text());
    event.waitUntil(watched(worker.registration.showNotification(title, options)));
  });

  worker.addEventListener('notificationclick', (event) => {
    event.notification.close();
    const done = openAt(worker, event.notification.data?.place ?? 'bell');
    event.waitUntil(watched(done));
  });

  worker.addEventListener('pushsubscriptionchange', (event) => {
    const { oldSubscription, newSubscription } = /** @type {any} */ (event);
    const done = changeOver(worker, oldSubscription, newSubscription);
    /** @type {any} */ (event).waitUntil(watched(done));
  });
}

/** Brings the person to a page that is open, or opens one. @param {ServiceWorkerGlobalScope} worker  @param {string} place */
async function openAt(worker, place) {
  const pages = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const page = pages.find(({ visibilityState }) => visibilityState === 'visible') ?? pages[0];
  if (!page) return void (await worker.clients.openWindow(`/#${place}`));
  // Where a browser does not let it come to the front, it still shows the right place.
  const front = await page.focus().catch(() => page);
  return front.postMessage({ open: place });
}

/**
 * The browser has another subscription now. What cannot be told from here, the page tells at the next visit.
 *
 * @param {ServiceWorkerGlobalScope} worker
 * @param {PushSubscription | null} before
 * @param {PushSubscription | null} after
 */
async function changeOver(worker, before, after) {
  const now = after ?? (await subscribeAnew(worker));
  const { endpoint, keys } = now.toJSON();
  /** @type {Array<{mid: string, name: string, args: Json}>} */
  const mutations = [{ mid: crypto.randomUUID(), name: 'push.subscribe', args: { endpoint, keys } }];
  if (before && before.endpoint !== endpoint) mutations.push({ mid: crypto.randomUUID(), name: 'push.unsubscribe', args: { endpoint: before.endpoint } });
  await fetch('/api/mutations', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ mutations }) });
}

/** @param {ServiceWorkerGlobalScope} worker */
async function subscribeAnew(worker) {
  const answer = await fetch('/api/push/key');
  if (!answer.ok) throw new Error(`the key to subscribe with could not be had: ${answer.status}`);
  const { key } = await answer.json();
  return worker.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}
