/**
 * Events of the client: a name, its listeners, and nothing else.
 *
 * One listener that throws must not keep the others from hearing, nor stop the stream:
 * its error is reported on its own turn, where the page's error handler sees it.
 */
export class Emitter {
  /** @type {Map<string, Set<(event: any) => void>>} */
  #listeners = new Map();

  /**
   * @param {string} name
   * @param {(event: any) => void} listener
   * @returns {() => void} How to stop listening.
   */
  on(name, listener) {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set.add(listener));
    return () => set.delete(listener);
  }

  /**
   * @param {string} name
   * @param {any} [event]
   */
  emit(name, event) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
