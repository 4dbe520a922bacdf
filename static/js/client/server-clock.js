/**
 * The server's time as seen from here, so a running clock shows the same on two devices.
 *
 * Nothing is ever ordered by it: order is the server's business. It only draws clocks.
 *
 * @import {Clock} from './types.js'
 */
export class ServerClock {
  #clock;
  #known = false;
  /** What to add to this device's time; another tab may have learnt it. */
  offsetMs = 0;

  /** @param {Clock} clock */
  constructor(clock) {
    this.#clock = clock;
  }

  /** @returns {number} Milliseconds since 1970. */
  now() {
    return this.#clock.now() + this.offsetMs;
  }

  /** @param {string | undefined} serverTime  RFC 3339, as it was when the frame left. */
  learn(serverTime) {
    const time = Date.parse(serverTime ?? '');
    if (Number.isNaN(time)) return;
    const offset = time - this.#clock.now();
    // A frame can only be late, never early: the largest offset is the closest to the truth.
    // It is forgotten slowly, or a clock that was set back here would stay wrong for ever.
    this.offsetMs = this.#known ? Math.max(offset, this.offsetMs - 50) : offset;
    this.#known = true;
  }
}
