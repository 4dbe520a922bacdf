/**
 * The journal writes down what must survive before it is acted upon.
 *
 * Changes are written at once, since none is shown or sent before it is saved. Positions in
 * the stream can wait a moment: an older one only means that some entries come twice. What
 * could not be written is not dropped: it goes along with the next attempt.
 *
 * @import {Clock, Saving, Storage} from './types.js'
 */

const BASE_DELAY_MS = 250;
const AGAIN_AFTER_MS = 30_000;

export class Journal {
  #storage;
  #account;
  #clock;
  #onProblem;
  /** @type {Saving | null} */
  #waiting = null;
  /** @type {Promise<void>} */
  #writing = Promise.resolve();
  /** @type {any} */
  #timer = null;
  #isFailing = false;

  /**
   * @param {Storage} storage
   * @param {string} account
   * @param {Clock} clock
   * @param {(error: unknown) => void} onProblem  Storage is full or broken: told once, until it works again.
   */
  constructor(storage, account, clock, onProblem) {
    this.#storage = storage;
    this.#account = account;
    this.#clock = clock;
    this.#onProblem = onProblem;
  }

  /** @param {Saving} saving  @returns {Promise<void>} Done when it is written, or known not to be. */
  note(saving) {
    this.#waiting = merge(this.#waiting, saving);
    if (saving.put?.length || saving.remove?.length) return this.flush();
    this.#timer ??= this.#clock.setTimeout(() => void this.flush(), BASE_DELAY_MS);
    return this.#writing;
  }

  /** @returns {Promise<void>} */
  flush() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    const saving = this.#waiting;
    if (!saving) return this.#writing;
    this.#waiting = null;
    this.#writing = this.#writing.then(() => this.#write(saving));
    return this.#writing;
  }

  /** What is not written yet is not to be: nobody is signed in any longer. */
  drop() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    this.#waiting = null;
  }

  /** @param {Saving} saving */
  async #write(saving) {
    try {
      await this.#storage.commit(this.#account, saving);
      this.#isFailing = false;
    } catch (error) {
      this.#waiting = this.#waiting ? merge(saving, this.#waiting) : saving;
      this.#timer ??= this.#clock.setTimeout(() => void this.flush(), AGAIN_AFTER_MS);
      if (!this.#isFailing) this.#onProblem(error);
      this.#isFailing = true;
    }
  }
}

/**
 * @param {Saving | null} older
 * @param {Saving} newer
 * @returns {Saving}
 */
function merge(older, newer) {
  if (!older) return newer;
  const put = new Map((older.put ?? []).map((change) => [change.mid, change]));
  for (const change of newer.put ?? []) put.set(change.mid, change);
  for (const mid of newer.remove ?? []) put.delete(mid);
  const remove = new Set([...(older.remove ?? []), ...(newer.remove ?? [])]);
  for (const mid of put.keys()) remove.delete(mid);
  const replace = Boolean(older.base?.replace || newer.base?.replace);
  const base = newer.base ?? older.base;
  return { base: base && { ...base, replace }, put: [...put.values()], remove: [...remove] };
}
