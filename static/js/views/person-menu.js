/**
 * The person in the corner: who I am here, and the way to account, profile, preferences and out.
 */
import { initials } from '../page/format.js';
import { words } from '../page/messages.js';
import { roleOf } from '../page/roles.js';
import { el, setAttribute, setShown, setText } from './dom.js';
import { View } from './view.js';

const texts = words.menu;

export class PersonMenu extends View {
  #avatar = el('span', { class: 'avatar', 'aria-hidden': 'true' });
  #name = el('bdi', { class: 'person-menu-name' });
  #button = el('button', { type: 'button', class: 'person-button', popovertarget: 'person-menu' }, this.#avatar, this.#name, el('span', { class: 'unseen' }, texts.label));
  #fullName = el('bdi', { class: 'popover-title' });
  #role = el('span', { class: 'tag' });
  #menu = el('div', { id: 'person-menu', class: 'popover menu', popover: 'auto' });

  #operations = el('button', { type: 'button', class: 'menu-item', hidden: true, onclick: () => location.assign('/admin') }, texts.operations);

  build() {
    /** @param {string} text  @param {() => void} run */
    const item = (text, run) =>
      el('button', { type: 'button', class: 'menu-item', onclick: () => (this.#menu.hidePopover(), run()) }, text);
    this.#menu.append(
      el('p', { class: 'menu-head' }, this.#fullName, this.#role),
      item(texts.profile, () => this.page.openDialog('profile')),
      item(texts.account, () => this.page.open('account')),
      item(texts.preferences, () => this.page.openDialog('preferences')),
      item(texts.inspector, () => location.assign('/inspector')),
      this.#operations,
      item(texts.signOut, () => this.page.openDialog('leave')),
    );
    this.append(this.#button, this.#menu);
  }

  draw() {
    const { profile } = this.client.view;
    const name = profile?.name ?? this.client.user?.name ?? '';
    const role = roleOf(profile?.roles);
    setShown(this.#button, Boolean(name));
    setAttribute(this.#avatar, 'data-initials', initials(name));
    this.#avatar.dataset.hue = String((profile?.id ?? 0) % 8);
    setText(this.#name, name);
    setText(this.#fullName, name);
    setText(this.#role, words.roles[role]);
    setShown(this.#role, role !== 'member');
    setShown(this.#operations, role === 'admin');
  }
}

customElements.define('person-menu', PersonMenu);
