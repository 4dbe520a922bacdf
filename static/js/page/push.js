/**
 * Telling this device while no page is open: what stands in the way of it, and switching it on and off.
 *
 * Two things have to be so: this browser has a subscription that the server knows as this
 * person's, and the person wants to be told at all (the preference, which holds everywhere).
 *
 * @import {IdlingClient} from '../client/client.js'
 *
 * @typedef {'unknown' | 'off' | 'on' | 'working' | 'asking' | 'unsupported' | 'install' | 'blocked' | 'unavailable'
 *   | 'failed' | 'noService' | 'refused' | 'offline'} PushState  The keys of `words.push.states`.
 */
import { ask } from './requests.js';

/** Whose subscription this browser has told the server, and which: a browser may be shared. */
const TOLD = 'idling.push';
/** @type {PushState[]} */
const WRONG = ['failed', 'noService', 'refused', 'offline'];
const isTouchApple = () => /iPhone|iPad/.test(navigator.userAgent) || (/Mac/.test(navigator.platform) && navigator.maxTouchPoints > 1);

export class Push {
  #client;
  #changed;
  /** @type {PushState} */
  state = 'unknown';

  /** @param {() => IdlingClient} client  @param {() => void} changed */
  constructor(client, changed) {
    this.#client = client;
    this.#changed = changed;
  }

  /**
   * Looks how it stands; the person may have allowed or forbidden it in the browser's own settings.
   *
   * @param {{isAnew?: boolean}} [how]  What went wrong stays to be read, until they come anew.
   */
  async look({ isAnew = false } = {}) {
    if (this.state === 'working' || this.state === 'asking') return;
    const obstacle = obstacleOf();
    if (!obstacle && !isAnew && WRONG.includes(this.state)) return;
    this.#say(obstacle ?? ((await this.#isTold()) && this.#isWanted ? 'on' : 'off'));
  }

  /** Only ever called from a click: it is then that a browser may be asked. */
  async turnOn() {
    const { permission } = Notification;
    if (permission === 'default') this.#say('asking');
    // First of all, and nothing awaited before it: a click counts only so long.
    const answer = permission === 'granted' ? permission : await Notification.requestPermission();
    if (answer !== 'granted') return this.#say(answer === 'denied' ? 'blocked' : 'off');
    this.#say('working');
    return this.#say(await this.#subscribe());
  }

  async turnOff() {
    this.#say('working');
    const subscription = await subscriptionHere();
    forget();
    if (subscription) {
      // The browser first: whatever becomes of the rest, this device is told no more.
      await subscription.unsubscribe().catch(() => false);
      const { done } = this.#client().mutate('push.unsubscribe', { endpoint: subscription.endpoint });
      void done.then(({ result }) => {
        // Where no device is left to be told, nothing is wanted either.
        if (result?.push?.subscriptions === 0) this.#want(false);
      });
    } else this.#want(false);
    this.#say('off');
  }

  /** A browser may change its subscription by itself while no page is open: then the server has to hear of it. */
  async restore() {
    const told = recall();
    if (obstacleOf() || Notification.permission !== 'granted' || told?.account !== this.#account || !this.#isWanted) return;
    if (!(await this.#isTold())) await this.#subscribe();
  }

  /** @returns {Promise<PushState>} */
  async #subscribe() {
    const answer = await ask('/api/push/key');
    if (!answer.ok) return answer.status === 404 ? 'unavailable' : answer.status === 0 ? 'offline' : 'failed';
    /** @type {PushSubscription} */
    let subscription;
    try {
      subscription = await subscribeHere(answer.body.key);
    } catch (error) {
      const { name } = /** @type {Error} */ (error);
      return name === 'NotAllowedError' ? 'blocked' : name === 'AbortError' ? 'noService' : 'failed';
    }
    const { endpoint, keys } = subscription.toJSON();
    const { mid, done } = this.#client().mutate('push.subscribe', { endpoint, keys });
    const { delivery, error } = await done;
    if (delivery !== 'confirmed') {
      this.#client().acknowledge(mid); // said here, beside the switch
      await subscription.unsubscribe().catch(() => false);
      return error?.code === 'endpoint_refused' ? 'refused' : 'failed';
    }
    remember({ account: this.#account, endpoint: subscription.endpoint });
    this.#want(true);
    return 'on';
  }

  get #account() {
    return String(this.#client().user?.id);
  }

  get #isWanted() {
    return Boolean(this.#client().view.preferences?.push);
  }

  async #isTold() {
    const told = recall();
    const subscription = told && (await subscriptionHere());
    return Boolean(subscription) && told?.account === this.#account && told?.endpoint === subscription?.endpoint;
  }

  /** @param {boolean} push */
  #want(push) {
    if (push !== this.#isWanted) this.#client().mutate('preferences.set', { values: { push } });
  }

  /** @param {PushState} state */
  #say(state) {
    this.state = state;
    this.#changed();
  }
}

/** @returns {PushState | null} What makes it impossible in this browser, as it is set now. */
function obstacleOf() {
  const hasAll = 'serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis;
  if (!hasAll) return isTouchApple() ? 'install' : 'unsupported';
  return Notification.permission === 'denied' ? 'blocked' : null;
}

/** This browser is told nothing any more: who was signed in here is gone. The server drops what nobody takes. */
export async function drop() {
  forget();
  await (await subscriptionHere())?.unsubscribe().catch(() => false);
}

/** @returns {Promise<PushSubscription | null>} */
async function subscriptionHere() {
  const registration = await navigator.serviceWorker?.getRegistration();
  return (await registration?.pushManager?.getSubscription()) ?? null;
}

/** @param {string} key  @returns {Promise<PushSubscription>} */
async function subscribeHere(key) {
  const { pushManager } = await navigator.serviceWorker.ready;
  const how = { userVisibleOnly: true, applicationServerKey: key };
  try {
    return await pushManager.subscribe(how);
  } catch (error) {
    // Made for another key, by a server that had one before this.
    if (/** @type {Error} */ (error).name !== 'InvalidStateError') throw error;
    await (await pushManager.getSubscription())?.unsubscribe();
    return pushManager.subscribe(how);
  }
}

/** @returns {{account: string, endpoint: string} | null} */
function recall() {
  try {
    return JSON.parse(localStorage.getItem(TOLD) ?? 'null');
  } catch {
    return null;
  }
}

/** @param {{account: string, endpoint: string}} told */
function remember(told) {
  try {
    localStorage.setItem(TOLD, JSON.stringify(told));
  } catch {
    // Forbidden: then the switch shows "off" at the next visit, though it is on. It can be switched on again.
  }
}

function forget() {
  try {
    localStorage.removeItem(TOLD);
  } catch {
    // Forbidden, so nothing is there.
  }
}
