/**
 * One person as an operator sees them: roles, stream, session, connections, devices; and what can be done.
 *
 * @typedef {{connection: string, over: 'socket' | 'events', instance: string, address: string, client?: {name?: string, version?: string}}} Connection
 */
import { asDate, asTime } from '../page/format.js';
import { el, setText } from '../views/dom.js';
import { ask, change, RefusedError } from './requests.js';
import { words } from './words.js';

const texts = words.person;
const HOUR_MS = 60 * 60 * 1000;
const LAST_ENTRIES = 20;

export class Person {
  #said = el('p', { role: 'status', class: 'said' });
  #entries = el('div', { class: 'entries' });
  element = el('div', { class: 'person', id: 'person', hidden: true });
  /** The one that is wanted: a slower answer about another one is dropped. */
  #id = 0;

  /** @param {number} id */
  async show(id) {
    this.#id = id;
    await this.#do(async () => {
      const found = await ask(`/api/admin/users/${id}`);
      if (this.#id === id) this.#draw(found);
    });
  }

  /** Does it, and says what went wrong. @param {() => Promise<unknown>} work  @param {string} [done] */
  async #do(work, done = '') {
    this.element.hidden = false;
    if (!this.element.contains(this.#said)) this.element.replaceChildren(this.#said);
    try {
      await work();
      setText(this.#said, done);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      setText(this.#said, error.message);
    }
  }

  /** @param {any} found */
  #draw({ user, stream, session, connections, devices, silent_instances: silent }) {
    const now = Date.now();
    /** @type {[string, string | Node][]} */
    const facts = [
      [texts.id, String(user.id)],
      [texts.roles, user.roles.join(', ') || words.none],
      [texts.since, asDate(user.created_at)],
      ...(user.suspended_until ? [/** @type {[string, string]} */ ([texts.suspendedUntil, `${asDate(user.suspended_until)} ${asTime(user.suspended_until, now)}`])] : []),
      [texts.stream, texts.head(stream.head, stream.published)],
      [texts.session, session ? `${session.activity} (${session.status})` : texts.noSession],
    ];
    this.#entries.replaceChildren();
    this.element.replaceChildren(
      el('h3', {}, user.name),
      el('dl', { class: 'facts' }, ...facts.map(([name, value]) => el('div', {}, el('dt', { class: 'quiet' }, name), el('dd', {}, value)))),
      el('h4', {}, texts.connections),
      connections.length ? el('ul', { class: 'connections' }, ...connections.map((/** @type {Connection} */ one) => this.#connection(user.id, one))) : el('p', { class: 'quiet' }, texts.noConnections),
      silent.length ? el('p', { class: 'problem' }, texts.silent(silent)) : '',
      el('h4', {}, texts.devices),
      devices.length
        ? el('ul', { class: 'connections' }, ...devices.map((/** @type {{name: string, provider: string, last_seen_at: string}} */ one) => el('li', {}, el('span', {}, `${one.name}, ${one.provider}`), el('span', { class: 'quiet' }, texts.lastSeen(asTime(one.last_seen_at, now))))))
        : el('p', { class: 'quiet' }, texts.noDevices),
      el(
        'div',
        { class: 'actions' },
        el('button', { type: 'button', class: 'button small', onclick: () => this.show(user.id) }, texts.refresh),
        el('button', { type: 'button', class: 'button small', disabled: !connections.length, onclick: () => this.#disconnect(user.id) }, texts.disconnectAll),
        el('button', { type: 'button', class: 'button small', onclick: () => this.#read(user.id, stream.head) }, texts.entries),
      ),
      el('p', { class: 'quiet' }, texts.entriesLead),
      this.#entries,
      this.#suspendForm(user.id),
      this.#said,
    );
  }

  /** @param {number} user  @param {Connection} one */
  #connection(user, one) {
    const client = [one.client?.name, one.client?.version].filter(Boolean).join(' ');
    const about = [texts.over[one.over], client, one.address, texts.at(one.instance)].filter(Boolean).join(', ');
    return el('li', {}, el('span', {}, about), el('button', { type: 'button', class: 'button small', 'aria-label': `${texts.disconnect}: ${about}`, onclick: () => this.#disconnect(user, one.connection) }, texts.disconnect));
  }

  /** @param {number} user  @param {string} [connection] */
  #disconnect(user, connection) {
    return this.#do(() => ask(`/api/admin/users/${user}/disconnect`, { method: 'POST', body: connection ? { connection } : {} }), texts.disconnected);
  }

  /** @param {number} user  @param {number} head */
  #read(user, head) {
    return this.#do(async () => {
      const { entries } = await ask(`/api/admin/users/${user}/entries?after=${Math.max(0, head - LAST_ENTRIES)}&limit=${LAST_ENTRIES}`);
      this.#entries.replaceChildren(
        ...(entries.length
          ? [el('pre', { tabindex: '0', 'aria-label': texts.stream }, entries.map((/** @type {object} */ entry) => JSON.stringify(entry, null, 1)).join('\n'))]
          : [el('p', { class: 'quiet' }, texts.noEntries)]),
      );
    });
  }

  /** @param {number} user */
  #suspendForm(user) {
    const hours = /** @type {HTMLInputElement} */ (el('input', { class: 'input', id: 'suspend-hours', type: 'number', min: '1', max: '8760', value: '24', required: true }));
    const reason = /** @type {HTMLInputElement} */ (el('input', { class: 'input', id: 'suspend-reason', maxlength: '300', required: true, autocomplete: 'off' }));
    const suspend = () =>
      this.#do(async () => {
        const until = new Date(Date.now() + Number(hours.value) * HOUR_MS).toISOString();
        await change('user.suspend', { user, until, reason: reason.value });
        reason.value = '';
      }, texts.suspended);
    return el(
      'details',
      { class: 'suspend' },
      el('summary', {}, texts.suspend),
      el(
        'form',
        { class: 'stack tight', onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), void suspend()) },
        el('div', { class: 'field' }, el('label', { class: 'field-label', for: 'suspend-hours' }, texts.hours), hours),
        el('div', { class: 'field' }, el('label', { class: 'field-label', for: 'suspend-reason' }, texts.reason), reason),
        el('div', { class: 'actions' }, el('button', { class: 'button' }, texts.suspend)),
      ),
    );
  }
}
