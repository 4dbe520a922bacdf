/**
 * Linked accounts: the ways by which I can come back. Never none: the last one stays, and it is said why.
 *
 * @import {Change} from '../client/types.js'
 */
import { isPending } from '../client/delivery.js';
import { wayIn } from '../page/door.js';
import { asDate } from '../page/format.js';
import { words } from '../page/messages.js';
import { roleOf } from '../page/roles.js';
import { el, keep, setAttribute, setShown, setText } from './dom.js';
import { View } from './view.js';
import { providerMark } from './ways-in.js';

const texts = words.linked;

/** @typedef {{name: string, title: string, account: {name: string, linked_at: string} | null, change: Change | null, isLast: boolean}} Row */

export class LinkedAccounts extends View {
  #list = el('ul', { class: 'rows', 'aria-labelledby': 'linked-heading' });
  #note = el('p', { id: 'linked-note', class: 'quiet small-words' });
  #retry = el('button', { type: 'button', class: 'button', hidden: true, onclick: () => void this.page.ways.load() }, words.trouble.again);

  build() {
    this.append(el('section', { class: 'card', 'aria-labelledby': 'linked-heading' }, el('h3', { id: 'linked-heading' }, texts.heading), this.#list, this.#note, this.#retry));
  }

  draw() {
    const { ways } = this.page;
    const { accounts = {}, profile } = this.client.view;
    const rows = this.#rows();
    const isFailed = ways.status === 'failed' && rows.length === 0;
    const isGuest = roleOf(profile?.roles) === 'guest';
    setShown(this, (rows.length > 0 || isFailed) && !isGuest);
    keep(this.#list, rows, { key: ({ name }) => name, make: (row) => this.#row(row), fill: (item, row) => this.#fill(item, row) });
    setText(this.#note, isFailed ? texts.failed : Object.keys(accounts).length === 1 ? texts.last : texts.several);
    setShown(this.#note, isFailed || Object.keys(accounts).length > 0);
    setShown(this.#retry, isFailed);
  }

  /** @returns {Row[]} What is offered, and what is linked though it is offered no more. */
  #rows() {
    const { accounts = {} } = this.client.view;
    const names = new Set([...this.page.ways.providers.map(({ name }) => name), ...Object.keys(this.client.confirmed.accounts ?? {})]);
    const pending = this.client.changes.filter((change) => change.name === 'account.unlink' && isPending(change));
    return [...names].map((name) => ({
      name,
      title: this.page.ways.titleOf(name),
      account: accounts[name] ?? null,
      change: pending.findLast((change) => change.args.provider === name) ?? null,
      isLast: Object.keys(accounts).length === 1 && name in accounts,
    }));
  }

  /** @param {Row} row */
  #row({ name, title }) {
    const of = () => el('span', { class: 'unseen' });
    const unlink = el('button', { type: 'button', class: 'button small', 'data-do': 'unlink', onclick: () => this.#unlink(name) }, `${texts.unlink} `, of());
    const link = el('a', { class: 'button small', href: wayIn(name, '/#account'), 'data-do': 'link' }, `${texts.link} `, of());
    return el(
      'li',
      { class: 'row', 'data-provider': name },
      providerMark(name, title),
      el('div', { class: 'row-words' }, el('p', { class: 'row-title' }), el('p', { class: 'quiet small-words row-note' })),
      unlink,
      link,
    );
  }

  /** @param {HTMLElement} item  @param {Row} row */
  #fill(item, { title, account, change, isLast }) {
    const [unlink, link] = /** @type {HTMLElement[]} */ ([...item.querySelectorAll('[data-do]')]);
    const note = /** @type {HTMLElement} */ (item.querySelector('.row-note'));
    // What it is called comes later than that it is linked.
    for (const name of item.querySelectorAll('.row-title, .unseen')) setText(name, title);
    setAttribute(item, 'data-delivery', change?.delivery);
    const isOffline = ['offline', 'busy'].includes(this.client.connection.status);
    const pending = change && (isOffline ? words.pending.offline : words.pending[/** @type {'queued'} */ (change.delivery)]);
    setText(note, pending ? `${texts.none} · ${pending}` : account ? texts.linked(account.name, asDate(account.linked_at)) : texts.none);
    setShown(unlink, Boolean(account));
    setShown(link, !account && !change);
    // It can be reached and read, and says why it does nothing.
    setAttribute(unlink, 'aria-disabled', isLast && 'true');
    setAttribute(unlink, 'aria-describedby', isLast && 'linked-note');
  }

  /** @param {string} provider */
  #unlink(provider) {
    const { accounts = {} } = this.client.view;
    if (Object.keys(accounts).length === 1) return this.page.say(texts.last);
    this.client.mutate('account.unlink', { provider });
  }
}

customElements.define('linked-accounts', LinkedAccounts);
