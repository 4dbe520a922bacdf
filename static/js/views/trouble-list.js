/**
 * What needs the person: each change that was not accepted, why, what was kept, and one way on.
 *
 * It stays until the person has answered it, over reloads too. Several with the same
 * reason and nothing to choose are one card: nobody wants to say "all right" five times.
 *
 * @import {Change} from '../client/types.js'
 * @import {Cure, Remedy} from '../page/cures.js'
 *
 * @typedef {{cure: Cure, changes: Change[]}} Case
 */
import { isFailed } from '../client/delivery.js';
import { apply, cureOf, titleOf } from '../page/cures.js';
import { words } from '../page/messages.js';
import { el, keep, setShown } from './dom.js';
import { icon } from './icons.js';
import { View } from './view.js';

export class TroubleList extends View {
  #list = el('ul', { class: 'troubles' });
  #notice = el('p', { class: 'card notice', role: 'status', hidden: true });

  build() {
    this.setAttribute('role', 'region');
    this.setAttribute('aria-label', words.trouble.label);
    this.append(this.#list, this.#notice);
  }

  draw() {
    const cases = this.#cases();
    keep(this.#list, cases, {
      key: ({ changes }) => changes.map(({ mid }) => mid).join(),
      make: (one) => this.#card(one),
      fill: () => undefined,
    });
    setShown(this, cases.length > 0 || !this.#notice.hidden);
  }

  /** @returns {Case[]} */
  #cases() {
    /** @type {Map<string, Case>} */
    const cases = new Map();
    for (const change of this.client.changes.filter(isFailed)) {
      const cure = cureOf(change, this.client.now());
      const key = cure.actions.length > 1 ? change.mid : cure.title;
      const known = cases.get(key);
      if (known) known.changes.push(change);
      else cases.set(key, { cure, changes: [change] });
    }
    return [...cases.values()];
  }

  /** Something to know that needs no answer. @param {string} text */
  tell(text) {
    const close = el('button', { type: 'button', class: 'button icon-only', 'aria-label': words.trouble.fine, onclick: () => this.#hush() }, icon('cross'));
    this.#notice.replaceChildren(text, close);
    setShown(this.#notice, true);
    this.draw();
  }

  #hush() {
    setShown(this.#notice, false);
    this.draw();
  }

  /** @param {Case} one */
  #card({ cure: { title, kept, actions }, changes }) {
    const [change] = changes;
    const buttons = actions.map(({ label, remedy }, index) =>
      el('button', { type: 'button', class: index === 0 && actions.length > 1 ? 'button primary' : 'button', onclick: () => this.#answer(changes, remedy) }, label),
    );
    const words_ = changes.length > 1 ? changes.map(titleOf).join(' · ') : kept;
    return el(
      'li',
      { class: 'card trouble', 'data-mid': change.mid, 'data-code': change.error?.code },
      icon('alert'),
      el('div', { class: 'trouble-words', role: 'alert' }, el('p', { class: 'trouble-title' }, title), words_ && el('p', { class: 'quiet kept' }, words_), el('div', { class: 'actions' }, ...buttons)),
    );
  }

  /** @param {Change[]} changes  @param {Remedy} remedy */
  #answer(changes, remedy) {
    if (changes.length > 1) return changes.forEach(({ mid }) => this.client.acknowledge(mid));
    const [change] = changes;
    if (remedy === 'choose_name') {
      this.client.acknowledge(change.mid);
      return this.page.openDialog('profile', { name: change.args.name, bio: change.args.bio });
    }
    return apply(this.client, change, remedy);
  }
}

customElements.define('trouble-list', TroubleList);
