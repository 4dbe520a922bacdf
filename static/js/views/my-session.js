/**
 * My session: what I am doing, for how long, and the three things to do with it.
 *
 * @import {Change, Session} from '../client/types.js'
 */
import { asClock, asTime, asWords, ranFor } from '../page/format.js';
import { isPending } from '../client/delivery.js';
import { takeDraft } from '../page/door.js';
import { words } from '../page/messages.js';
import { el, setAttribute, setShown, setText } from './dom.js';
import { emojiDisc, fillDisc } from './emoji-disc.js';
import { icon } from './icons.js';
import { sessionForm } from './session-form.js';
import { View } from './view.js';

const texts = words.session;

export class MySession extends View {
  #start = sessionForm({ label: texts.field, hint: words.welcome.hint, submit: texts.start, ideas: true, done: (values) => this.#begin(values) });
  #edit = sessionForm({ label: texts.field, submit: texts.save, done: (values) => this.#change(values), cancel: () => this.#setEditing(false) });
  #disc = emojiDisc();
  #activity = el('p', { class: 'activity' });
  #clock = el('p', { class: 'clock numbers', role: 'timer', 'aria-live': 'off' });
  #note = el('p', { class: 'quiet since' });
  #pauseWords = el('span');
  #pauseIcon = el('span', { class: 'icon-slot' });
  #pause = el('button', { type: 'button', class: 'button', onclick: () => this.#togglePause() }, this.#pauseIcon, this.#pauseWords);
  #end = el('button', { type: 'button', class: 'button', onclick: () => this.#stop() }, icon('stop'), texts.end);
  #editButton = el('button', { type: 'button', class: 'button icon-only', 'aria-label': texts.edit, title: texts.edit, onclick: () => this.#setEditing(true) }, icon('pencil'));
  #pending = el('p', { class: 'pending-note', role: 'status' });
  #running = el('div', { class: 'running' });
  #none = el('p', { class: 'quiet lead' }, texts.none);
  #isEditing = false;
  /** @type {string | null} */
  #wasId = null;

  build() {
    this.#running.append(
      el('div', { class: 'halo' }, this.#disc),
      el('div', { class: 'activity-row' }, this.#activity, this.#editButton),
      this.#clock,
      this.#note,
      el('div', { class: 'actions' }, this.#pause, this.#end),
    );
    this.append(this.#running, this.#edit.form, this.#none, this.#start.form, this.#pending);
    this.classList.add('card');
    const draft = takeDraft();
    if (draft) this.#start.fill({ activity: draft });
  }

  /** Brings the cursor to where something can be typed. */
  invite() {
    if (!this.client.view.session) this.#start.input.focus();
  }

  draw() {
    const session = this.client.view.session ?? null;
    const change = this.client.changes.filter((one) => one.name.startsWith('session.') && isPending(one)).at(-1);
    if (!session) this.#isEditing = false;
    setShown(this.#running, Boolean(session) && !this.#isEditing);
    setShown(this.#edit.form, Boolean(session) && this.#isEditing);
    setShown(this.#start.form, !session);
    setShown(this.#none, !session);
    this.dataset.state = session?.status ?? 'none';
    this.#drawPending(change);
    if (session) this.#drawSession(session);
    this.#wasId = session?.id ?? null;
  }

  tick() {
    const { session } = this.client.view;
    if (!session) return;
    const now = this.client.now();
    const seconds = ranFor(session, now);
    setText(this.#clock, asClock(seconds));
    setAttribute(this.#clock, 'aria-label', texts.clock(asWords(seconds)));
    const since = texts.since(asTime(session.started_at, now));
    setText(this.#note, session.paused_at ? texts.pausedFor(asWords((now - Date.parse(session.paused_at)) / 1000)) : since);
  }

  /** @param {Session} session */
  #drawSession(session) {
    const { profile } = this.client.view;
    fillDisc(this.#disc, { emoji: session.emoji, words: session.activity, hue: profile?.id ?? 0 });
    setText(this.#activity, session.activity);
    const isPaused = session.status === 'paused';
    setText(this.#pauseWords, isPaused ? texts.resume : texts.pause);
    if (this.#pauseIcon.dataset.name !== session.status) {
      this.#pauseIcon.dataset.name = session.status;
      this.#pauseIcon.replaceChildren(icon(isPaused ? 'play' : 'pause'));
    }
    if (this.#wasId === null) this.#start.fill();
    this.tick();
  }

  /** @param {Change | undefined} change */
  #drawPending(change) {
    setAttribute(this, 'data-delivery', change?.delivery);
    setShown(this.#pending, Boolean(change));
    if (!change || !isPending(change)) return;
    const isOffline = ['offline', 'busy'].includes(this.client.connection.status);
    const state = /** @type {'queued' | 'sent' | 'in_doubt'} */ (change.delivery);
    this.#pending.dataset.kind = isOffline ? 'offline' : 'online';
    setText(this.#pending, isOffline ? words.pending.offline : words.pending[state]);
  }

  /** @param {{activity: string, emoji: string}} values */
  #begin(values) {
    this.client.mutate('session.start', values);
    this.#pause.focus();
  }

  /** @param {{activity: string, emoji: string}} values */
  #change({ activity, emoji }) {
    const { session } = this.client.view;
    this.#setEditing(false);
    if (!session) return;
    /** @type {Record<string, string>} */
    const changed = {};
    if (activity !== session.activity) changed.activity = activity;
    if (emoji !== session.emoji) changed.emoji = emoji;
    if (Object.keys(changed).length) this.client.mutate('session.update', { id: session.id, ...changed });
  }

  #togglePause() {
    const { session } = this.client.view;
    if (session) this.client.mutate(session.status === 'paused' ? 'session.resume' : 'session.pause', { id: session.id });
  }

  #stop() {
    const { session } = this.client.view;
    if (!session) return;
    this.client.mutate('session.end', { id: session.id });
    this.draw();
    this.#start.input.focus({ preventScroll: true });
  }

  /** @param {boolean} isEditing */
  #setEditing(isEditing) {
    const { session } = this.client.view;
    if (isEditing && session) this.#edit.fill(session);
    this.#isEditing = isEditing;
    this.draw();
    (isEditing ? this.#edit.input : this.#editButton).focus();
  }
}

customElements.define('my-session', MySession);
