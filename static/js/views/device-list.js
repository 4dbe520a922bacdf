/**
 * Devices: where this account is signed in, and the way to end each.
 *
 * @import {Device} from '../page/devices.js'
 * @import {Entry} from '../client/types.js'
 */
import { Devices } from '../page/devices.js';
import { asDate, asTime } from '../page/format.js';
import { words } from '../page/messages.js';
import { el, keep, setAttribute, setShown, setText } from './dom.js';
import { icon } from './icons.js';
import { View } from './view.js';

const texts = words.devices;
/** Skeletons shown sooner would only flicker. */
const SKELETON_AFTER_MS = 200;
const NOW_S = 120;
const DAYS_WITH_NAMES = 6;

export class DeviceList extends View {
  #devices = new Devices(() => this.page.draw());
  #list = el('ul', { class: 'rows', 'aria-labelledby': 'devices-heading' });
  #skeleton = el('div', { class: 'rows', 'aria-hidden': 'true', hidden: true }, ...Array.from({ length: 2 }, () => el('div', { class: 'row skeleton' })));
  #problem = el('p', { class: 'problem', role: 'alert', hidden: true });
  #retry = el('button', { type: 'button', class: 'button', hidden: true, onclick: () => void this.#devices.load() }, words.trouble.again);
  #everywhere = el('button', { type: 'button', class: 'button', onclick: () => this.page.openDialog('leave_everywhere') }, texts.everywhere);
  #isLate = false;
  #hasFailed = false;

  build() {
    this.append(
      el(
        'section',
        { class: 'card', 'aria-labelledby': 'devices-heading' },
        el('h3', { id: 'devices-heading', tabindex: -1 }, texts.heading),
        this.#skeleton,
        this.#list,
        this.#problem,
        el('div', { class: 'actions' }, this.#retry, this.#everywhere),
      ),
    );
    this.client.on('frame', (/** @type {Partial<Entry>} */ { items = [] }) => {
      const told = items.flatMap(({ patch }) => Object.values(patch?.notifications?.items ?? {}));
      if (this.page.isShown('account') && told.some((one) => one?.kind?.startsWith('device.'))) void this.#devices.load();
    });
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.page.isShown('account')) void this.#devices.load();
    });
  }

  /** The page has just been opened. */
  arrive() {
    this.#hasFailed = false;
    void this.#devices.load();
    setTimeout(() => {
      this.#isLate = true;
      this.page.draw();
    }, SKELETON_AFTER_MS);
  }

  draw() {
    const { all, status } = this.#devices;
    keep(this.#list, all, { key: ({ id }) => id, make: (device) => this.#row(device), fill: (item, device) => this.#fill(item, device) });
    setShown(this.#skeleton, status === 'unknown' && this.#isLate);
    setShown(this.#everywhere, status === 'known');
    const text = status === 'failed' ? texts.failed : this.#hasFailed ? texts.notEnded : '';
    setText(this.#problem, text);
    setShown(this.#problem, Boolean(text));
    setShown(this.#retry, status === 'failed');
  }

  /** @param {Device} device */
  #row({ id, name, current }) {
    const isHandheld = /iPhone|iPad|Android/.test(name);
    return el(
      'li',
      { class: 'row', 'data-current': String(current) },
      el('span', { class: 'mark plain', 'aria-hidden': 'true' }, icon(isHandheld ? 'phone' : 'screen')),
      el(
        'div',
        { class: 'row-words' },
        el('p', { class: 'row-title' }, el('bdi', {}, name), current && el('span', { class: 'tag' }, texts.current)),
        el('p', { class: 'quiet small-words row-note numbers' }),
      ),
      el('button', { type: 'button', class: 'button small', onclick: () => void this.#end(id, current) }, words.menu.signOut, el('span', { class: 'unseen' }, ` ${name}`)),
    );
  }

  /** @param {HTMLElement} item  @param {Device & {isLeaving: boolean}} device */
  #fill(item, device) {
    const note = /** @type {HTMLElement} */ (item.querySelector('.row-note'));
    const button = /** @type {HTMLButtonElement} */ (item.querySelector('button'));
    setAttribute(item, 'data-delivery', device.isLeaving && 'sent');
    button.disabled = device.isLeaving;
    setText(note, device.isLeaving ? texts.ending : this.#about(device));
  }

  /** @param {Device} device */
  #about({ provider, address, created_at: createdAt, last_seen_at: seenAt, current }) {
    const now = this.client.now();
    const isNow = current || now - Date.parse(seenAt) < NOW_S * 1000;
    const isRecent = now - Date.parse(seenAt) < DAYS_WITH_NAMES * 86_400_000;
    return [
      isNow ? texts.now : texts.seen(isRecent ? asTime(seenAt, now) : asDate(seenAt)),
      provider === 'guest' ? texts.asGuest : texts.by(this.page.ways.titleOf(provider)),
      texts.since(asDate(createdAt)),
      address,
    ].filter(Boolean).join(' · ');
  }

  /** @param {string} id  @param {boolean} isThis */
  async #end(id, isThis) {
    if (isThis) return this.page.openDialog('leave');
    this.#hasFailed = false;
    this.#hasFailed = !(await this.#devices.end(id));
    if (!this.#hasFailed) {
      this.page.say(texts.ended);
      // The button that had the focus is gone with its row.
      if (document.activeElement === document.body) /** @type {HTMLElement} */ (this.querySelector('h3')).focus();
    }
    return this.page.draw();
  }
}

customElements.define('device-list', DeviceList);
