/**
 * What has been seen: shown on the screen of somebody who looks at the page, for as long as it takes to read a line.
 */
const AFTER_MS = 2000;

export class Seen {
  #tell;
  /** @type {Set<string>} */
  #onScreen = new Set();
  /** @type {any} */
  #timer = null;
  #watcher = new IntersectionObserver((entries) => this.#noticed(entries), { threshold: 0.6 });

  /** @param {(ids: string[]) => void} tell  Those that were on the screen all the while; told again as long as `look` is called. */
  constructor(tell) {
    this.#tell = tell;
    addEventListener('focus', () => this.look());
  }

  /** @param {HTMLElement} element  With an id in `data-id`. */
  watch(element) {
    this.#watcher.observe(element);
  }

  /** @param {HTMLElement} element */
  forget(element) {
    this.#watcher.unobserve(element);
    this.#onScreen.delete(element.dataset.id ?? '');
  }

  /** Something may be there to be seen. */
  look() {
    if (this.#timer !== null || !this.#onScreen.size) return;
    const before = new Set(this.#onScreen);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (document.hidden || !document.hasFocus()) return; // looked at again when the person is back
      this.#tell([...this.#onScreen].filter((id) => before.has(id)));
      if ([...this.#onScreen].some((id) => !before.has(id))) this.look();
    }, AFTER_MS);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #noticed(entries) {
    for (const { isIntersecting, target } of entries) {
      const id = /** @type {HTMLElement} */ (target).dataset.id ?? '';
      if (isIntersecting) this.#onScreen.add(id);
      else this.#onScreen.delete(id);
    }
    this.look();
  }
}
