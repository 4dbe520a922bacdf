/**
 * My changes and what became of them: waiting, not sure yet, done, not accepted.
 *
 * @import {Change} from '../client/types.js'
 */
import { isPending } from '../client/delivery.js';
import { laneOf } from '../client/mutations.js';
import { titleOf } from '../page/cures.js';
import { asTime } from '../page/format.js';
import { words } from '../page/messages.js';
import { el, keep, setAttribute, setShown, setText } from './dom.js';
import { icon } from './icons.js';
import { View } from './view.js';

const texts = words.bell;
const KEPT = 20;
/** What nobody thinks of as a change. */
const QUIET = new Set(['emoji.use', 'notification.read']);
/** @type {Record<string, import('./icons.js').IconName>} */
const ICONS = { queued: 'clock', sent: 'clock', in_doubt: 'question', confirmed: 'check', rolled_back: 'cross', expired: 'cross' };

export class ChangeFeed extends View {
  /** @type {Map<string, Change>} Over since this page was opened, the oldest first. */
  #over = new Map();
  /** @type {Map<string, string[]>} The way that each change has gone, phase by phase. */
  #ways = new Map();
  #list = el('ol', { class: 'feed', 'aria-labelledby': 'feed-heading' });
  #none = el('p', { class: 'quiet' }, texts.none);

  build() {
    this.append(el('header', { class: 'section-head' }, el('h2', { id: 'feed-heading' }, texts.heading)), this.#none, this.#list);
    this.client.on('step', (/** @type {{mid: string, from: string, to: string}} */ { mid, from, to }) => {
      this.#ways.set(mid, [...(this.#ways.get(mid) ?? [from]), to]);
      while (this.#ways.size > KEPT * 2) this.#ways.delete(this.#ways.keys().next().value ?? '');
    });
    this.client.on('ended', (/** @type {Change} */ change) => {
      this.#over.delete(change.mid);
      this.#over.set(change.mid, change);
      while (this.#over.size > KEPT) this.#over.delete(this.#over.keys().next().value ?? '');
    });
  }

  draw() {
    const changes = new Map([...this.#over, ...this.client.changes.map((change) => /** @type {const} */ ([change.mid, change]))]);
    const items = [...changes.values()].filter(({ name }) => !QUIET.has(name)).sort((one, other) => other.created_at - one.created_at);
    // Only the last word about a thing can be taken back: what came after would hang in the air.
    const lasts = new Set(new Map(this.client.changes.map(({ name, mid }) => [laneOf(name), mid])).values());
    keep(this.#list, items, {
      key: ({ mid }) => mid,
      make: (change) => this.#item(change),
      fill: (item, change) => this.#fill(item, change, lasts.has(change.mid)),
    });
    setShown(this.#none, items.length === 0);
    setShown(this.#list, items.length > 0);
  }

  /** @param {Change} change */
  #item(change) {
    const undo = el('button', { type: 'button', class: 'button small plain', hidden: true, onclick: () => this.client.withdraw(change.mid) }, texts.undo);
    return el(
      'li',
      { class: 'feed-item' },
      el('span', { class: 'feed-icon' }),
      el(
        'div',
        { class: 'feed-words' },
        el('p', {}, titleOf(change)),
        el('details', { class: 'quiet' }, el('summary', { class: 'feed-state' }), el('p', { class: 'feed-way' })),
      ),
      el('time', { class: 'quiet numbers', datetime: new Date(change.created_at).toISOString() }, asTime(change.created_at, this.client.now())),
      undo,
    );
  }

  /** @param {HTMLElement} item  @param {Change} change  @param {boolean} isLast */
  #fill(item, change, isLast) {
    if (item.dataset.delivery !== change.delivery) {
      item.dataset.delivery = change.delivery;
      item.querySelector('.feed-icon')?.replaceChildren(icon(ICONS[change.delivery]));
    }
    const waits = isPending(change) && this.client.connection.status === 'offline';
    const state = item.querySelector('.feed-state');
    if (state) setText(state, waits && change.delivery === 'queued' ? texts.offline : texts.states[change.delivery]);
    const way = item.querySelector('.feed-way');
    if (way) setText(way, (this.#ways.get(change.mid) ?? [change.phase]).join(' → '));
    const undo = /** @type {HTMLElement} */ (item.querySelector('button'));
    setShown(undo, isLast && waits && change.delivery === 'queued' && change.attempts === 0);
    setAttribute(item, 'data-name', change.name);
  }
}

customElements.define('change-feed', ChangeFeed);
