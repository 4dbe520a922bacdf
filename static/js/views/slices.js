/**
 * Long work in slices: between two of them the browser draws and answers.
 */
const SLICE_MS = 8;

export class Slices {
  #until = performance.now() + SLICE_MS;

  /** Whether the browser should have its turn. */
  get isOver() {
    return performance.now() >= this.#until;
  }

  /** Begins the next slice, as soon as what is more urgent is done. @returns {Promise<void>} */
  async next() {
    const { scheduler } = /** @type {any} */ (globalThis);
    await (scheduler?.yield ? scheduler.yield() : new Promise((resolve) => setTimeout(resolve)));
    this.#until = performance.now() + SLICE_MS;
  }
}
