/**
 * Backoff with full jitter: a crowd that lost one server must not come back in step.
 */
export class Backoff {
  #random;
  #floorMs;
  #capMs;
  #tries = 0;

  /**
   * @param {() => number} random
   * @param {{floorMs?: number, capMs?: number}} [bounds]  The contract's: at least 1 s, at most 60 s.
   */
  constructor(random, { floorMs = 1000, capMs = 60_000 } = {}) {
    this.#random = random;
    this.#floorMs = floorMs;
    this.#capMs = capMs;
  }

  /**
   * @returns {number} How long to wait before the next try, in milliseconds.
   */
  next() {
    this.#tries += 1;
    const ceiling = Math.min(this.#capMs, this.#floorMs * 2 ** this.#tries);
    // Jitter above the floor, not clipped at it: clipping would let half of the crowd
    // return at exactly the floor.
    return this.#floorMs + this.#random() * (ceiling - this.#floorMs);
  }

  reset() {
    this.#tries = 0;
  }
}
