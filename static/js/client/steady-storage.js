/**
 * Storage that is always there: what the browser refuses to keep is kept in memory, and that is said.
 *
 * @import {Saved, Saving, Storage} from './types.js'
 */
import { IndexedStorage } from './indexed-storage.js';
import { MemoryStorage } from './storage.js';

/** @implements {Storage} */
export class SteadyStorage {
  /** @type {Promise<Storage>} */
  #chosen;
  /** @type {unknown} Why nothing outlives the page; null while all is well. */
  problem = null;

  /** @param {string} [name] */
  constructor(name) {
    this.#chosen = this.#choose(name);
  }

  /** @param {string} [name]  @returns {Promise<Storage>} */
  async #choose(name) {
    try {
      const storage = new IndexedStorage(indexedDB, name);
      await storage.open();
      return storage;
    } catch (error) {
      this.problem = error;
      return new MemoryStorage();
    }
  }

  async account() {
    try {
      return await (await this.#chosen).account();
    } catch (error) {
      this.problem = error;
      return null;
    }
  }

  /** @param {string | null} account */
  async setAccount(account) {
    try {
      await (await this.#chosen).setAccount(account);
    } catch (error) {
      this.problem = error;
    }
  }

  /** @param {string} account  @returns {Promise<Saved>} */
  async load(account) {
    try {
      return await (await this.#chosen).load(account);
    } catch (error) {
      // Unreadable: the server's state comes with the next greeting.
      this.problem = error;
      return { cursor: null, state: {}, changes: [] };
    }
  }

  /** @param {string} account  @param {Saving} saving */
  async commit(account, saving) {
    await (await this.#chosen).commit(account, saving);
  }

  /** @param {string} account */
  async clear(account) {
    await (await this.#chosen).clear(account);
  }
}
