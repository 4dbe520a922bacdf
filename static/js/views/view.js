/**
 * What all views share: they are given the page once and draw when they are told to.
 *
 * Views never draw by themselves. The page collects what changed and draws everything in
 * one animation frame, from one state; so no two parts of the screen ever disagree.
 *
 * @import {IdlingClient} from '../client/client.js'
 * @import {Lobby} from '../page/lobby.js'
 * @import {Catalogue} from '../page/catalogue.js'
 * @import {Ways} from '../page/door.js'
 *
 * @typedef {'room' | 'account' | 'bell'} Place
 *
 * @typedef {object} Page  What a view may know and do.
 * @property {IdlingClient} client
 * @property {Lobby} lobby
 * @property {Catalogue} catalogue  The emoji there are.
 * @property {() => boolean} isIn  Whether somebody is signed in.
 * @property {Ways} ways  The ways in that this place offers.
 * @property {() => void} draw  Draws soon.
 * @property {(dialog: 'profile' | 'preferences' | 'leave' | 'leave_everywhere' | 'brought', draft?: {name?: string, bio?: string}) => Promise<void>} openDialog
 * @property {(tab: string, how?: {keepAddress?: boolean}) => void} showTab
 * @property {(place: Place) => void} open
 * @property {(place: 'room' | 'account') => boolean} isShown
 * @property {() => void} askIn  Shows the door again.
 * @property {() => Promise<void>} signOut
 * @property {(text: string) => void} say  Tells a screen reader, politely.
 */
export class View extends HTMLElement {
  /** @type {Page | null} */
  #page = null;

  /** Called once by the page, before anything else. @param {Page} page */
  join(page) {
    if (this.#page) return;
    this.#page = page;
    this.build();
  }

  /** @returns {Page} */
  get page() {
    if (!this.#page) throw new Error(`${this.localName} has not joined a page`);
    return this.#page;
  }

  get client() {
    return this.page.client;
  }

  /** Makes the elements. */
  build() {}

  /** Puts the present state into them. */
  draw() {}

  /** Once a second while the page is seen: clocks. */
  tick() {}
}
