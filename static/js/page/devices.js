/**
 * The devices that are signed in: fetched, not part of the state. One that is signed out goes at once, and comes
 * back when that did not work.
 *
 * @typedef {object} Device
 * @property {string} id
 * @property {string} name
 * @property {string} provider  By which it came in; `guest` for who did without.
 * @property {string} address
 * @property {string} created_at
 * @property {string} last_seen_at
 * @property {boolean} current
 */
import { ask } from './requests.js';

export class Devices {
  #changed;
  #asked = 0;
  /** @type {Device[]} */
  #listed = [];
  /** @type {Set<string>} */
  #leaving = new Set();
  /** @type {'unknown' | 'known' | 'failed'} */
  status = 'unknown';

  /** @param {() => void} changed */
  constructor(changed) {
    this.#changed = changed;
  }

  /** @returns {Array<Device & {isLeaving: boolean}>} This one first. */
  get all() {
    const own = (/** @type {Device} */ { current }) => Number(current);
    return this.#listed.map((device) => ({ ...device, isLeaving: this.#leaving.has(device.id) })).sort((one, other) => own(other) - own(one));
  }

  async load() {
    const asked = (this.#asked += 1);
    const answer = await ask('/api/devices');
    if (asked !== this.#asked) return; // a later question has been asked
    if (answer.ok) this.#listed = answer.body.devices;
    if (answer.ok || this.status === 'unknown') this.status = answer.ok ? 'known' : 'failed';
    this.#changed();
  }

  /** @param {string} id  @returns {Promise<boolean>} Whether it is signed out now. */
  async end(id) {
    this.#leaving.add(id);
    this.#changed();
    const answer = await ask(`/api/devices/${encodeURIComponent(id)}`, { method: 'DELETE' });
    this.#leaving.delete(id);
    // Gone already is gone.
    const isOver = answer.ok || answer.status === 404;
    if (isOver) {
      this.#asked += 1; // what is on its way was true before
      this.#listed = this.#listed.filter((device) => device.id !== id);
    }
    this.#changed();
    return isOver;
  }
}
