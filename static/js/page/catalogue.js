/**
 * The emoji there are: fetched page by page as they are looked at, kept while the page is open.
 *
 * @import {CustomEmoji} from '../client/types.js'
 *
 * @typedef {{id: string, char: string, tones: string[]}} Variant
 * @typedef {object} Emoji
 * @property {string} id
 * @property {string} name
 * @property {string} category
 * @property {string} [char]
 * @property {string[]} [keywords]
 * @property {string[]} [shortcodes]
 * @property {Variant[]} [skin_tones]
 * @property {boolean} [custom]
 * @property {string} [url]
 *
 * @typedef {{id: string, name: string, count: number}} Category
 */
import { nameOf } from './emoji.js';
import { ask } from './requests.js';

export const CUSTOM = 'custom';
const HITS = 72;
/** An unknown custom emoji is asked for again no sooner. */
const LOOK_AGAIN_MS = 20_000;

export class Catalogue {
  #changed;
  /** @type {Map<string, Emoji[]>} */
  #pages = new Map();
  /** @type {Map<string, Promise<Emoji[] | null>>} */
  #asked = new Map();
  /** @type {Map<string, Emoji>} By id, the ids of their variants too. */
  #known = new Map();
  /** @type {Promise<void> | null} */
  #askedForCategories = null;
  #lookedAt = -Infinity;
  /** @type {() => Record<string, CustomEmoji>} */
  #own;
  /** @type {Category[]} */
  categories = [];

  /** @param {() => void} changed  @param {() => Record<string, CustomEmoji>} own  One's own custom emoji. */
  constructor(changed, own) {
    this.#changed = changed;
    this.#own = own;
  }

  /** @returns {Promise<boolean>} Whether the categories are known now. */
  async open() {
    if (this.categories.length) return true;
    this.#askedForCategories ??= ask('/api/emojis/categories').then((answer) => {
      if (answer.ok) this.categories = answer.body.categories;
      this.#askedForCategories = null;
    });
    await this.#askedForCategories;
    return this.categories.length > 0;
  }

  /** What is known of a category without asking. @param {string} category  @returns {Emoji[] | null} */
  page(category) {
    const page = this.#pages.get(category) ?? null;
    if (category !== CUSTOM) return page;
    // One's own show before anybody has approved them.
    const own = Object.values(this.#own()).map(asEmoji);
    const ids = new Set(own.map(({ id }) => id));
    return [...own, ...(page ?? []).filter(({ id }) => !ids.has(id))];
  }

  /** @param {string} category  @returns {Promise<Emoji[] | null>} Null when it cannot be had just now. */
  async load(category) {
    const known = this.#pages.get(category);
    if (known) return known;
    const asked = this.#asked.get(category) ?? this.#ask(category);
    this.#asked.set(category, asked);
    return asked;
  }

  /** @param {string} category */
  async #ask(category) {
    // What was approved a minute ago has to be there; everything else changes with a release.
    const answer = await ask(`/api/emojis/categories/${encodeURIComponent(category)}`, { cache: category === CUSTOM ? 'no-cache' : 'default' });
    this.#asked.delete(category);
    if (!answer.ok) return null;
    this.#pages.set(category, answer.body.emojis);
    this.#learn(answer.body.emojis);
    return answer.body.emojis;
  }

  /** @param {Emoji[]} emojis */
  #learn(emojis) {
    for (const emoji of emojis) {
      this.#known.set(emoji.id, emoji);
      for (const { id } of emoji.skin_tones ?? []) this.#known.set(id, emoji);
    }
  }

  /**
   * @param {string} query
   * @param {string} tone
   * @param {AbortSignal} signal
   * @returns {Promise<{emojis: Emoji[], isPartial: boolean} | null>} Null when it could not be searched; partial
   *   without a line: then only what was looked at before is searched.
   */
  async search(query, tone, signal) {
    const answer = await ask(`/api/emojis/search?${new URLSearchParams({ q: query, tone, limit: String(HITS) })}`, { signal });
    if (answer.ok) return { emojis: answer.body.emojis, isPartial: false };
    if (answer.status !== 0 || signal.aborted || !this.#known.size) return null;
    const said = query.toLocaleLowerCase();
    const fits = (/** @type {Emoji} */ { name, keywords = [], shortcodes = [] }) => [name, ...keywords, ...shortcodes].some((word) => word.startsWith(said) || word.includes(` ${said}`));
    return { emojis: [...this.#pages.values()].flat().filter(fits).slice(0, HITS), isPartial: true };
  }

  /** Keeps what a search found, so that it has a name. @param {Emoji} emoji */
  learnHit(emoji) {
    if (!this.#known.has(emoji.id)) this.#known.set(emoji.id, emoji);
  }

  /** @returns {Promise<Emoji[]>} What everybody uses. */
  async popular() {
    const answer = await ask('/api/emojis/popular?limit=18');
    if (!answer.ok) return [];
    this.#learn(answer.body.emojis.filter((/** @type {Emoji} */ { id }) => !this.#known.has(id)));
    return answer.body.emojis;
  }

  /** @param {string} id  @returns {Emoji | null} */
  find(id) {
    const own = this.#own()[id];
    return own ? asEmoji(own) : (this.#known.get(id) ?? null);
  }

  /** What to call an emoji, of a colouring too. @param {string} id */
  nameOf(id) {
    return this.find(id)?.name ?? nameOf(id);
  }

  /** The picture of a custom emoji. One that nobody here has seen yet is looked for. @param {string | null | undefined} id */
  urlOf(id) {
    if (!id?.startsWith('c_')) return null;
    const url = this.find(id)?.url;
    if (!url && performance.now() - this.#lookedAt > LOOK_AGAIN_MS) {
      this.#lookedAt = performance.now();
      this.#pages.delete(CUSTOM);
      void this.load(CUSTOM).then(this.#changed);
    }
    return url ?? null;
  }

  /** What others bring may have changed. */
  forgetCustom() {
    this.#pages.delete(CUSTOM);
  }
}

/** @param {CustomEmoji} own  @returns {Emoji} */
const asEmoji = ({ id, name, url }) => ({ id, name, url, category: CUSTOM, custom: true });

/** The id of an emoji in a tone; its own where it comes in none. @param {Emoji} emoji  @param {string} tone */
export function inTone(emoji, tone) {
  if (tone === 'none') return emoji.id;
  return emoji.skin_tones?.find(({ tones }) => tones.length === 1 && tones[0] === tone)?.id ?? emoji.id;
}
