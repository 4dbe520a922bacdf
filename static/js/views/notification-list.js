/**
 * The bell: what this place announces, and what happened to me, the newest first. Reading and dismissing show at
 * once and hold on all devices.
 *
 * @import {Announcement, Entry, Notification} from '../client/types.js'
 * @import {Notice} from '../page/notices.js'
 */
import { asTime } from '../page/format.js';
import { words } from '../page/messages.js';
import { announced, newestFirst, noticeOf } from '../page/notices.js';
import { el, fadeAway, keep, setAttribute, setShown, setText } from './dom.js';
import { emojiFace } from './emoji-face.js';
import { icon } from './icons.js';
import { askReaction } from './reaction-button.js';
import { Seen } from './seen.js';
import { View } from './view.js';

const texts = words.notifications;
const AT_ONCE = 12;
/** Skeletons shown sooner would only flicker. */
const SKELETON_AFTER_MS = 200;
const SERVED = ['live', 'limited'];

export class NotificationList extends View {
  #heading = el('h2', { id: 'bell-heading', tabindex: -1 }, texts.heading);
  #unreadCount = el('span', { 'aria-hidden': 'true' });
  #unreadWords = el('span', { class: 'unseen' });
  #unread = el('span', { class: 'tag numbers', hidden: true }, this.#unreadCount, this.#unreadWords);
  #readAll = el('button', { type: 'button', class: 'button small plain', hidden: true, onclick: () => this.#markAll() }, texts.readAll);
  #announcements = el('ul', { class: 'announcements', 'aria-label': texts.announcements });
  #list = el('ol', { class: 'notifications', 'aria-labelledby': 'bell-heading' });
  #none = el('p', { class: 'quiet' });
  #skeleton = el('div', { class: 'notifications', 'aria-hidden': 'true', hidden: true }, ...Array.from({ length: 3 }, () => el('div', { class: 'notification skeleton' })));
  #more = el('button', { type: 'button', class: 'button', hidden: true, onclick: () => this.#showMore() });
  #shown = AT_ONCE;
  #isLate = false;
  /** @type {Set<string>} What was marked without being asked for: once each, whatever became of it. */
  #marked = new Set();
  #seen = new Seen((ids) => this.#markSeen(ids));

  build() {
    this.append(
      el('header', { class: 'section-head' }, el('div', { class: 'head-words' }, this.#heading, this.#unread), this.#readAll),
      this.#announcements,
      this.#skeleton,
      this.#none,
      this.#list,
      this.#more,
    );
    this.client.on('frame', (frame) => this.#hear(/** @type {Entry & {type: string}} */ (frame)));
    setTimeout(() => {
      this.#isLate = true;
      this.page.draw();
    }, SKELETON_AFTER_MS);
  }

  draw() {
    const { view, connection } = this.client;
    const all = newestFirst(view);
    const isKnown = view.notifications !== undefined;
    const isAway = ['offline', 'busy'].includes(connection.status);
    const count = view.notifications?.unread_count ?? 0;
    const scene = this.#scene();
    setText(this.#unreadCount, String(count));
    setText(this.#unreadWords, texts.unread(count));
    setShown(this.#unread, count > 0);
    setShown(this.#readAll, count > 0);
    this.#drawAnnouncements();
    keep(this.#list, all.slice(0, this.#shown), {
      key: ({ id }) => id,
      make: (notification) => this.#item(notification),
      fill: (item, notification) => this.#fill(item, notification, noticeOf(notification, scene)),
      leave: (item) => {
        this.#seen.forget(item);
        item.classList.add('leaving');
        fadeAway(item);
      },
    });
    setText(this.#more, texts.more(all.length - this.#shown));
    setShown(this.#more, all.length > this.#shown);
    setShown(this.#list, all.length > 0);
    setShown(this.#skeleton, !isKnown && this.#isLate && !isAway);
    setText(this.#none, isKnown ? texts.none : texts.unseen);
    setShown(this.#none, isKnown ? all.length === 0 : isAway);
    if (SERVED.includes(connection.status)) this.#seen.look();
  }

  tick() {
    // An announcement's time may be over.
    if (this.#announcements.childElementCount) this.#drawAnnouncements();
  }

  /** The person came here to read. */
  arrive() {
    this.#heading.focus({ preventScroll: true });
  }

  #drawAnnouncements() {
    const all = announced(this.client.view, this.client.now());
    keep(this.#announcements, all, { key: ({ id }) => id, make: (one) => this.#announcement(one), fill: () => undefined });
    setShown(this.#announcements, all.length > 0);
  }

  /** @param {Announcement} announcement */
  #announcement({ title, body, level, published_at: at }) {
    return el(
      'li',
      { class: 'card announcement', 'data-level': level },
      icon(level === 'success' ? 'check' : level === 'info' ? 'bell' : 'alert'),
      el(
        'div',
        { class: 'notification-words' },
        el('p', { class: 'announcement-title' }, el('span', { class: 'unseen' }, `${texts.levels[level] ?? texts.announcements}: `), title),
        body && el('p', { class: 'quiet small-words' }, body),
        el('time', { class: 'quiet numbers small-words', datetime: at }, asTime(at, this.client.now())),
      ),
    );
  }

  /** @param {Notification} notification */
  #item({ id, created_at: at }) {
    const act = el('button', { type: 'button', class: 'button small plain', 'data-do': 'act', onclick: () => this.#act(id, act) });
    const dismiss = el('button', { type: 'button', class: 'button icon-only', 'data-do': 'dismiss', onclick: () => this.#dismiss(id) }, icon('cross'));
    const item = el(
      'li',
      { class: 'notification', 'data-id': id },
      el('span', { class: 'notification-mark', 'aria-hidden': 'true' }),
      el(
        'div',
        { class: 'notification-words' },
        el('p', { class: 'notification-title' }, el('span', { class: 'unseen' }), el('span')),
        el('p', { class: 'quiet small-words notification-body' }),
        el('div', { class: 'notification-foot' }, el('time', { class: 'quiet numbers small-words', datetime: at }, asTime(at, this.client.now())), act),
      ),
      dismiss,
    );
    this.#seen.watch(item);
    return item;
  }

  /** @param {HTMLElement} item  @param {Notification} notification  @param {Notice} notice */
  #fill(item, notification, notice) {
    const [isNew, title] = /** @type {NodeListOf<HTMLElement>} */ (item.querySelectorAll('.notification-title > span'));
    const body = part(item, '.notification-body');
    const act = part(item, '[data-do=act]');
    setAttribute(item, 'data-kind', notification.kind);
    setAttribute(item, 'data-level', notification.level);
    setAttribute(item, 'data-unread', notification.read ? null : 'true');
    setText(isNew, notification.read ? '' : texts.isNew);
    setText(title, notice.title);
    setText(body, notice.body ?? '');
    setShown(body, Boolean(notice.body));
    setShown(act, notice.action !== undefined);
    setText(act, notice.action ? texts.actions[notice.action] : '');
    setAttribute(part(item, '[data-do=dismiss]'), 'aria-label', texts.dismiss(notice.title));
    this.#drawMark(part(item, '.notification-mark'), notice);
  }

  /** @param {HTMLElement} mark  @param {Notice} notice */
  #drawMark(mark, { emoji, icon: name, hue }) {
    const looks = `${emoji} ${this.page.catalogue.urlOf(emoji)} ${name}`;
    if (mark.dataset.looks === looks) return;
    mark.dataset.looks = looks;
    setAttribute(mark, 'data-hue', hue === undefined ? null : Math.abs(hue) % 8);
    mark.replaceChildren(emoji ? emojiFace(emoji, this.page.catalogue) : icon(name));
  }

  /** What the words depend on. */
  #scene() {
    return { now: this.client.now(), view: this.client.view, members: this.page.lobby.members };
  }

  // -- what comes in ---------------------------------------------------------------------

  /** A screen reader hears what is new, politely. @param {Entry & {type: string}} frame */
  #hear({ type, items = [] }) {
    if (type !== 'entry') return;
    for (const { kind, patch } of items) {
      const [told] = /** @type {Notification[]} */ (kind === 'notification.created' ? Object.values(patch?.notifications?.items ?? {}).filter(Boolean) : []);
      // That of a reaction is heard when it flies.
      if (told && told.kind !== 'reaction.received') this.page.say(texts.arrived(noticeOf(told, this.#scene()).title));
      const [said] = /** @type {Announcement[]} */ (kind === 'announcement.published' ? Object.values(patch?.announcements ?? {}).filter(Boolean) : []);
      if (said) this.page.say(texts.announced(said.title));
    }
  }

  // -- what one does with it -------------------------------------------------------------

  #showMore() {
    const first = this.#shown;
    this.#shown += 50;
    this.draw();
    /** @type {HTMLElement | null} */ (this.#list.children[first]?.querySelector('[data-do=dismiss]'))?.focus({ preventScroll: true });
  }

  #markAll() {
    const [newest] = newestFirst(this.client.view);
    if (newest) this.client.mutate('notification.read', { up_to: newest.id });
    this.#heading.focus({ preventScroll: true }); // the button goes
  }

  /** @param {string[]} ids */
  #markSeen(ids) {
    if (!SERVED.includes(this.client.connection.status)) return;
    const { items = {} } = this.client.view.notifications ?? {};
    const fresh = ids.filter((id) => items[id] && !items[id].read && !this.#marked.has(id));
    for (const id of fresh) this.#marked.add(id);
    if (fresh.length) this.client.mutate('notification.read', { ids: fresh });
  }

  /** @param {string} id */
  #dismiss(id) {
    const item = this.#list.querySelector(`[data-id="${CSS.escape(id)}"]`);
    const next = item?.nextElementSibling ?? item?.previousElementSibling;
    this.client.mutate('notification.dismiss', { id });
    this.page.say(texts.dismissed);
    (/** @type {HTMLElement | null | undefined} */ (next?.querySelector('[data-do=dismiss]')) ?? this.#heading).focus({ preventScroll: true });
  }

  /** @param {string} id  @param {HTMLElement} anchor */
  #act(id, anchor) {
    const notification = this.client.view.notifications?.items[id];
    if (!notification) return;
    if (!notification.read) this.client.mutate('notification.read', { ids: [id] });
    const { data = {} } = notification;
    switch (noticeOf(notification, this.#scene()).action) {
      case 'devices':
        return this.page.open('account');
      case 'emoji':
        return void this.page.openDialog('brought');
      case 'again':
        return void this.client.mutate('session.start', { activity: data.activity, ...(data.emoji && { emoji: data.emoji }) });
      case 'wave': {
        const member = this.page.lobby.members.find(({ user }) => user.id === data.from.id);
        if (member) askReaction(this.page, member, anchor);
      }
    }
  }
}

/** @param {HTMLElement} item  @param {string} selector */
const part = (item, selector) => /** @type {HTMLElement} */ (item.querySelector(selector));

customElements.define('notification-list', NotificationList);
