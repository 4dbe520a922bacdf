/**
 * Who I am here: name, what I am (guest, member, …) and what that means, and the ways to change it or to go.
 */
import { initials } from '../page/format.js';
import { words } from '../page/messages.js';
import { roleOf } from '../page/roles.js';
import { el, setAttribute, setShown, setText } from './dom.js';
import { icon } from './icons.js';
import { View } from './view.js';
import { waysIn } from './ways-in.js';

const texts = words.account;
export class AccountView extends View {
  #heading = el('h2', { id: 'account-heading', tabindex: -1 }, texts.heading);
  #notice = el('div', { class: 'card notice wrong', role: 'alert', hidden: true });
  #avatar = el('span', { class: 'avatar large', 'aria-hidden': 'true' });
  #name = el('bdi', { class: 'who-name' });
  #role = el('span', { class: 'tag' });
  #meaning = el('p', { class: 'quiet' });
  #bio = el('p', { class: 'who-bio' });
  #ways = waysIn({ label: texts.keep, next: '/#account', say: texts.keepWith });
  #keep = el('section', { class: 'card keep', 'aria-labelledby': 'keep-heading', hidden: true }, el('h3', { id: 'keep-heading' }, texts.keep), el('p', { class: 'quiet' }, texts.keepHint), this.#ways.list);

  build() {
    const back = el('a', { class: 'button icon-only', href: '#room', 'aria-label': texts.back, title: texts.back }, icon('back'));
    /** @param {string} text  @param {() => void} run */
    const button = (text, run) => el('button', { type: 'button', class: 'button', onclick: run }, text);
    this.append(
      el('header', { class: 'page-head' }, back, this.#heading),
      this.#notice,
      el(
        'section',
        { class: 'card who', 'aria-label': texts.whoAmI },
        this.#avatar,
        el('div', { class: 'who-words' }, el('p', { class: 'who-line' }, this.#name, this.#role), this.#bio, this.#meaning),
        el(
          'div',
          { class: 'actions' },
          button(texts.edit, () => this.page.openDialog('profile')),
          button(words.menu.preferences, () => this.page.openDialog('preferences')),
          button(words.menu.signOut, () => this.page.openDialog('leave')),
        ),
      ),
      this.#keep,
    );
  }

  draw() {
    const { profile } = this.client.view;
    const { ways } = this.page;
    const role = roleOf(profile?.roles);
    const name = profile?.name ?? this.client.user?.name ?? '';
    setAttribute(this.#avatar, 'data-initials', initials(name));
    this.#avatar.dataset.hue = String((profile?.id ?? 0) % 8);
    setText(this.#name, name);
    setText(this.#role, words.roles[role]);
    setText(this.#meaning, texts.meanings[role]);
    setText(this.#bio, profile?.bio ?? '');
    setShown(this.#bio, Boolean(profile?.bio));
    setShown(this.#keep, role === 'guest' && ways.providers.length > 0);
    this.#ways.draw(ways);
  }

  /** The page has just been opened. */
  arrive() {
    this.#heading.focus({ preventScroll: true });
  }

  /** Linking did not work. @param {string} text */
  tell(text) {
    const close = el('button', { type: 'button', class: 'button icon-only', 'aria-label': words.trouble.fine, onclick: () => setShown(this.#notice, false) }, icon('cross'));
    this.#notice.replaceChildren(el('p', {}, text), close);
    setShown(this.#notice, true);
  }
}

customElements.define('account-view', AccountView);

