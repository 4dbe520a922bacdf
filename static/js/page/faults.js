/**
 * Faults of the page itself, told to who runs the place: which kind, in which module of ours, on which line.
 *
 * No messages, no addresses, nothing that somebody wrote: those may be in an error's text. What repeats is counted
 * and sent rarer and rarer, and a page has so many reports in its life and no more.
 *
 * @typedef {{name: string, module: string, line: number, count: number}} Fault
 */
export const FIRST_AFTER_MS = 5000;
export const MAX_REPORTS = 8;
export const MAX_PLACES = 20;
export const MAX_COUNT = 1000;
const PATH = '/api/errors/browser';

/** Collects faults, and sends what it has in batches: after 5 s, then after twice as long each time. */
export class Faults {
  #origin;
  #send;
  #later;
  #most;
  /** @type {Map<string, Fault>} */
  #waiting = new Map();
  #sent = 0;
  #isDue = false;

  /**
   * @param {object} parts
   * @param {string} parts.origin  Of this page: only its modules are named.
   * @param {(body: string) => void} parts.send
   * @param {(run: () => void, ms: number) => void} parts.later
   * @param {number} [parts.most]  So many reports, and no more.
   */
  constructor({ origin, send, later, most = MAX_REPORTS }) {
    this.#origin = origin;
    this.#send = send;
    this.#later = later;
    this.#most = most;
  }

  /** @param {unknown} error  @param {{file?: string, line?: number}} [place]  Where, if who caught it knows. */
  note(error, place) {
    if (this.#sent >= this.#most) return;
    const name = error instanceof Error || error instanceof DOMException ? error.name : 'other';
    const { module, line } = this.#placeOf(error, place);
    const key = `${name} ${module} ${line}`;
    const known = this.#waiting.get(key);
    if (known) known.count = Math.min(known.count + 1, MAX_COUNT);
    else if (this.#waiting.size < MAX_PLACES) this.#waiting.set(key, { name: String(name).slice(0, 40), module, line, count: 1 });
    this.#sendLater();
  }

  /** Sends what there is: now, for the page may be gone in a moment. */
  flush() {
    if (this.#waiting.size === 0 || this.#sent >= this.#most) return;
    this.#sent += 1;
    const errors = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#send(JSON.stringify({ errors }));
  }

  #sendLater() {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#later(() => {
      this.#isDue = false;
      this.flush();
    }, FIRST_AFTER_MS * 2 ** this.#sent);
  }

  /** @param {unknown} error  @param {{file?: string, line?: number}} [place] */
  #placeOf(error, place) {
    const given = place?.file ? this.#ours(place.file, place.line ?? 0) : null;
    if (given) return given;
    for (const [, file, line] of String(Object(error).stack ?? '').matchAll(/((?:https?):\/\/[^\s()]+?):(\d+):\d+/g)) {
      const found = this.#ours(file, Number(line));
      if (found) return found;
    }
    return { module: '', line: 0 };
  }

  /** @param {string} file  @param {number} line  @returns {{module: string, line: number} | null} Null: not a module of ours. */
  #ours(file, line) {
    try {
      const { origin, pathname } = new URL(file, this.#origin);
      // An address holds its version; a module has the same name in each.
      const module = pathname.replace(/^\/static\/v-[0-9a-f]+\//, '/static/');
      return origin === this.#origin && /^\/(sw|static\/js\/[a-z0-9/-]+)\.js$/.test(module) ? { module, line } : null;
    } catch {
      return null;
    }
  }
}

/** Watches this page from now on. */
export function watchFaults() {
  const faults = new Faults({ origin: location.origin, send: post, later: (run, ms) => void setTimeout(run, ms) });
  addEventListener('error', (event) => {
    // A picture that did not load is an event of its own kind, and no fault of the code's.
    if (event instanceof ErrorEvent) faults.note(event.error, { file: event.filename, line: event.lineno });
  });
  addEventListener('unhandledrejection', ({ reason }) => faults.note(reason));
  addEventListener('pagehide', () => faults.flush());
}

/** Outlives who sends it; whether it arrives is nobody's business. @param {string} body */
export function post(body) {
  const blob = new Blob([body], { type: 'application/json' });
  // A page has it, a worker has not.
  if (/** @type {any} */ (navigator).sendBeacon?.(PATH, blob)) return;
  void fetch(PATH, { method: 'POST', body: blob, keepalive: true }).catch(() => undefined);
}
