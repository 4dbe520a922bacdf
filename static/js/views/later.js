/**
 * What a first visit does not need: fetched in a quiet moment, and at the latest when somebody wants it.
 *
 * Each is an element that stands in the page from the beginning, empty until its module is there.
 *
 * @import {AccountView} from './account-view.js'
 * @import {BroughtSheet} from './brought-sheet.js'
 * @import {DeviceList} from './device-list.js'
 * @import {EmojiPicker} from './emoji-picker.js'
 * @import {LeaveSheet} from './leave-sheet.js'
 * @import {LinkedAccounts} from './linked-accounts.js'
 * @import {PreferencesSheet} from './preferences-sheet.js'
 * @import {ProfileSheet} from './profile-sheet.js'
 * @import {View} from './view.js'
 *
 * @typedef {object} Parts
 * @property {EmojiPicker} emoji-picker
 * @property {ProfileSheet} profile-sheet
 * @property {PreferencesSheet} preferences-sheet
 * @property {LeaveSheet} leave-sheet
 * @property {BroughtSheet} brought-sheet
 * @property {AccountView} account-view
 * @property {LinkedAccounts} linked-accounts
 * @property {DeviceList} device-list
 */

/** @type {Readonly<Record<keyof Parts, () => Promise<unknown>>>} */
const MODULES = Object.freeze({
  'emoji-picker': () => import('./emoji-picker.js'),
  'profile-sheet': () => import('./profile-sheet.js'),
  'preferences-sheet': () => import('./preferences-sheet.js'),
  'leave-sheet': () => import('./leave-sheet.js'),
  'brought-sheet': () => import('./brought-sheet.js'),
  'account-view': () => import('./account-view.js'),
  'linked-accounts': () => import('./linked-accounts.js'),
  'device-list': () => import('./device-list.js'),
});

/** Where a browser does not say when it is quiet. */
const QUIET_AFTER_MS = 1500;

export class Later {
  #arrived;
  #missing;
  /** @type {Map<string, Promise<View | null>>} */
  #asked = new Map();

  /**
   * @param {(view: View) => void} arrived  To be given the page, once each.
   * @param {() => void} missing  One that somebody wants cannot be fetched just now.
   */
  constructor(arrived, missing) {
    this.#arrived = arrived;
    this.#missing = missing;
  }

  /**
   * @template {keyof Parts} Name
   * @param {Name} name
   * @returns {Promise<Parts[Name] | null>} Null when it could not be fetched; that has been said.
   */
  async want(name) {
    const view = await this.#wake(name);
    if (!view) this.#missing();
    return /** @type {Parts[Name] | null} */ (view);
  }

  /** Fetches one after the other while nobody waits for anything. */
  async prepare() {
    for (const name of /** @type {Array<keyof Parts>} */ (Object.keys(MODULES))) {
      await new Promise((resolve) => ('requestIdleCallback' in globalThis ? requestIdleCallback(resolve) : setTimeout(resolve, QUIET_AFTER_MS)));
      await this.#wake(name);
    }
  }

  /** @param {keyof Parts} name  @returns {Promise<View | null>} */
  #wake(name) {
    const asked = this.#asked.get(name) ?? this.#fetch(name);
    this.#asked.set(name, asked);
    return asked;
  }

  /** @param {keyof Parts} name  @returns {Promise<View | null>} */
  async #fetch(name) {
    try {
      await MODULES[name]();
    } catch {
      this.#asked.delete(name); // without a line; another time
      return null;
    }
    const view = /** @type {View} */ (document.querySelector(name));
    this.#arrived(view);
    return view;
  }
}
