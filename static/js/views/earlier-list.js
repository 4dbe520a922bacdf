/**
 * Earlier: what I did before, and for how long. Fetched, not part of the state; asked for again when a session ends.
 *
 * @import {Session} from '../client/types.js'
 */
import { asTime, asWords } from '../page/format.js';
import { words } from '../page/messages.js';
import { ask } from '../page/requests.js';
import { el, keep, setShown, setText } from './dom.js';
import { emojiDisc, fillDisc } from './emoji-disc.js';
import { View } from './view.js';

const texts = words.history;
const SHOWN = 5;

/** @typedef {Session & {duration_s: number, ended_at?: string}} Past */

export class EarlierList extends View {
  /** @type {Past[] | null} */
  #sessions = null;
  #hasFailed = false;
  /** @type {string | null} */
  #askedFor = null;
  #list = el('ul', { class: 'earlier', 'aria-labelledby': 'earlier-heading' });
  #note = el('p', { class: 'quiet' });

  build() {
    this.append(el('header', { class: 'section-head' }, el('h2', { id: 'earlier-heading' }, texts.heading)), this.#note, this.#list);
  }

  draw() {
    const { connection, confirmed } = this.client;
    // Another open session, or none, means that one has ended: by confirmed state, not by hope.
    const wanted = `${this.client.user?.id}:${confirmed.session?.id ?? ''}`;
    if (wanted !== this.#askedFor && ['live', 'limited'].includes(connection.status)) void this.#fetch(wanted);
    keep(this.#list, this.#sessions ?? [], {
      key: ({ id }) => id,
      make: () => el('li', { class: 'past' }, emojiDisc(), el('p', { class: 'past-activity' }), el('p', { class: 'quiet numbers past-time' })),
      fill: (item, session) => this.#fill(item, session),
    });
    const isEmpty = this.#sessions?.length === 0;
    setText(this.#note, this.#hasFailed ? texts.failed : texts.none);
    setShown(this.#note, this.#hasFailed || isEmpty);
  }

  /** @param {HTMLElement} item  @param {Past} past */
  #fill(item, { emoji, activity, duration_s: durationS, started_at: startedAt }) {
    const [disc, words_, time] = /** @type {HTMLElement[]} */ ([...item.children]);
    fillDisc(disc, { emoji, words: activity, hue: this.client.user?.id ?? 0 });
    setText(words_, activity);
    setText(time, `${asTime(startedAt, this.client.now())} · ${asWords(durationS)}`);
  }

  /** @param {string} wanted */
  async #fetch(wanted) {
    this.#askedFor = wanted;
    const answer = await ask(`/api/sessions?limit=${SHOWN + 1}`);
    if (this.#askedFor !== wanted) return; // a later question has been asked
    if (answer.ok) this.#sessions = answer.body.sessions.filter((/** @type {Past} */ { ended_at: endedAt }) => endedAt).slice(0, SHOWN);
    this.#hasFailed = this.#sessions === null;
    this.page.draw();
  }
}

customElements.define('earlier-list', EarlierList);
