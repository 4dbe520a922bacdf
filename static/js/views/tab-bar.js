/**
 * The bar at the bottom of narrow screens: room, me, bell, more.
 */
import { words } from '../page/messages.js';
import { el, setAttribute, setShown, setText } from './dom.js';
import { icon } from './icons.js';
import { View } from './view.js';

/** @type {ReadonlyArray<{tab: 'room' | 'me' | 'bell', icon: import('./icons.js').IconName}>} */
const TABS = [
  { tab: 'room', icon: 'room' },
  { tab: 'me', icon: 'me' },
  { tab: 'bell', icon: 'bell' },
];

export class TabBar extends View {
  #badge = el('span', { class: 'badge numbers', 'aria-hidden': 'true', hidden: true });
  #unread = el('span', { class: 'unseen' });

  build() {
    const buttons = TABS.map(({ tab, icon: name }) =>
      el('button', { type: 'button', class: 'tab', 'data-tab': tab, onclick: () => this.page.showTab(tab) }, icon(name), el('span', {}, words.tabs[tab]), ...(tab === 'bell' ? [this.#badge, this.#unread] : [])),
    );
    const more = el('button', { type: 'button', class: 'tab', popovertarget: 'person-menu' }, icon('more'), el('span', {}, words.tabs.more));
    this.append(el('nav', { class: 'tabs', 'aria-label': words.place }, ...buttons, more));
  }

  draw() {
    const shown = this.page.isShown('room') && document.body.dataset.tab;
    for (const button of this.querySelectorAll('[data-tab]')) {
      setAttribute(button, 'aria-current', /** @type {HTMLElement} */ (button).dataset.tab === shown && 'page');
    }
    const count = this.client.view.notifications?.unread_count ?? 0;
    setText(this.#badge, count > 99 ? '99+' : String(count));
    setText(this.#unread, count ? words.notifications.tab(count) : '');
    setShown(this.#badge, count > 0);
  }
}

customElements.define('tab-bar', TabBar);
