/**
 * Storage in IndexedDB: pages, tabs and the service worker all see the same outbox.
 *
 * Changes lie one by one, so no two tabs ever overwrite each other's; each `commit` is one
 * transaction over outbox and position. What is broken for good is begun anew: the server
 * has the truth.
 *
 * @import {Saved, Saving, Storage} from './types.js'
 */
import { isChange, isNewer } from './storage.js';

const VERSION = 1;
/** Long, for a busy machine: who gives up here forgets everything when the page closes. */
const OPEN_WITHIN_MS = 15_000;
const STORES = ['facts', 'positions', 'outbox'];

/** @implements {Storage} */
export class IndexedStorage {
  #factory;
  #name;
  /** @type {Promise<IDBDatabase> | null} */
  #database = null;

  /**
   * @param {IDBFactory} factory
   * @param {string} [name]
   */
  constructor(factory, name = 'idling') {
    this.#factory = factory;
    this.#name = name;
  }

  /**
   * Makes sure that it can be used.
   *
   * @throws {DOMException} When it is forbidden, or broken beyond beginning anew.
   */
  async open() {
    await this.#open();
  }

  /** @returns {Promise<string | null>} */
  async account() {
    const account = await this.#run(['facts'], 'readonly', ([facts]) => result(facts.get('account')));
    return typeof account === 'string' ? account : null;
  }

  /** @param {string | null} account */
  async setAccount(account) {
    await this.#run(['facts'], 'readwrite', ([facts]) => {
      if (account === null) facts.delete('account');
      else facts.put(account, 'account');
    });
  }

  /** @param {string} account  @returns {Promise<Saved>} */
  async load(account) {
    const [position, rows] = await this.#run(['positions', 'outbox'], 'readonly', ([positions, outbox]) =>
      Promise.all([result(positions.get(account)), result(outbox.getAll(ofAccount(account)))]),
    );
    const { cursor = null, state = {} } = position ?? {};
    // The key is account and `mid`, and a later `mid` is greater: this is the order in which they were done.
    const changes = rows.map((/** @type {any} */ row) => row.change).filter(isChange);
    return { cursor, state, changes };
  }

  /** @param {string} account  @param {Saving} saving */
  async commit(account, { base, put = [], remove = [] }) {
    await this.#run(['positions', 'outbox'], 'readwrite', async ([positions, outbox]) => {
      for (const change of put) outbox.put({ account, mid: change.mid, change });
      for (const mid of remove) outbox.delete([account, mid]);
      if (!base) return;
      const { cursor, state, replace } = base;
      const old = replace ? null : await result(positions.get(account));
      if (!old || isNewer(cursor, old.cursor)) positions.put({ cursor, state }, account);
    });
  }

  /** @param {string} account */
  async clear(account) {
    await this.#run(['positions', 'outbox'], 'readwrite', ([positions, outbox]) => {
      positions.delete(account);
      outbox.delete(ofAccount(account));
    });
  }

  /**
   * @template T
   * @param {string[]} names
   * @param {IDBTransactionMode} mode
   * @param {(stores: IDBObjectStore[]) => T | Promise<T>} work
   * @returns {Promise<T>} Once it is committed.
   */
  async #run(names, mode, work) {
    const database = await this.#open();
    let transaction;
    try {
      transaction = database.transaction(names, mode);
    } catch {
      // Closed under our feet: the browser does so when a person clears what sites have stored.
      this.#database = null;
      transaction = (await this.#open()).transaction(names, mode);
    }
    const done = finished(transaction);
    try {
      const value = await work(names.map((name) => transaction.objectStore(name)));
      await done;
      return value;
    } catch (error) {
      done.catch(() => undefined);
      throw error;
    }
  }

  #open() {
    if (this.#database) return this.#database;
    const opening = this.#connect(VERSION).catch((error) => this.#mend(error));
    opening.catch(() => {
      this.#database = null;
    });
    this.#database = opening;
    return opening;
  }

  /** @param {DOMException} error */
  async #mend(error) {
    // Left by a later version of this page: whatever it added, what we need may still be there.
    if (error.name === 'VersionError') return this.#connect();
    // Forbidden, full or slow: none of these says that what lies there is bad.
    if (error.name !== 'UnknownError' && error.name !== 'DataError') throw error;
    const again = await this.#connect(VERSION).catch(() => null);
    if (again) return again;
    await result(this.#factory.deleteDatabase(this.#name), OPEN_WITHIN_MS);
    return this.#connect(VERSION);
  }

  /** @param {number} [version]  Whichever there is, if none is named. */
  async #connect(version) {
    const request = this.#factory.open(this.#name, version);
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore('facts');
      database.createObjectStore('positions');
      database.createObjectStore('outbox', { keyPath: ['account', 'mid'] });
    };
    const database = await result(request, OPEN_WITHIN_MS);
    if (!STORES.every((name) => database.objectStoreNames.contains(name))) {
      database.close();
      throw new DOMException('it lacks what it should hold', 'DataError');
    }
    database.onclose = () => {
      this.#database = null;
    };
    database.onversionchange = () => {
      database.close();
      this.#database = null;
    };
    return database;
  }
}

/** All records of one account. @param {string} account */
function ofAccount(account) {
  // Every array sorts after every string.
  return IDBKeyRange.bound([account, ''], [account, []]);
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @param {number} [withinMs]
 * @returns {Promise<T>}
 */
function result(request, withinMs) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    if (withinMs) setTimeout(() => reject(new DOMException('it does not answer', 'TimeoutError')), withinMs);
  });
}

/** @param {IDBTransaction} transaction  @returns {Promise<void>} */
function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new DOMException('aborted', 'AbortError'));
  });
}
