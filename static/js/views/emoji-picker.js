/**
 * The picker: search as you type, favourites, recents, all categories, what people brought; one for
 * the whole page. A popover on a desk, a sheet from below on a phone.
 *
 * @import {Change} from '../client/types.js'
 * @import {Section} from './emoji-grid.js'
 * @import {Wish} from './emoji-field.js'
 */
import { isFailed, isPending } from '../client/delivery.js';
import { CUSTOM } from '../page/catalogue.js';
import { cureOf } from '../page/cures.js';
import { words } from '../page/messages.js';
import { el, setAttribute, setShown, setText } from './dom.js';
import { emojiFace } from './emoji-face.js';
import { EmojiGrid } from './emoji-grid.js';
import { letDrag, moveTo } from './favorite-order.js';
import { icon } from './icons.js';
import { FAVORITES, MARKS, pickerSections, RECENT } from './picker-sections.js';
import { toneChoice } from './tone-choice.js';
import { View } from './view.js';

const texts = words.emoji;
/** So long nothing is typed before it is searched. */
const DEBOUNCE_MS = 120;
const MARGIN = 8;
export class EmojiPicker extends View {
  #search = /** @type {HTMLInputElement} */ (el('input', { type: 'search', class: 'input', placeholder: texts.search, 'aria-label': texts.search, autocomplete: 'off', enterkeyhint: 'search', maxlength: 80 }));
  #tones = toneChoice((tone) => this.#setTone(tone));
  #tabs = el('div', { class: 'picker-tabs', role: 'group', 'aria-label': texts.categories });
  #found = el('p', { class: 'picker-note quiet', role: 'status' });
  #preview = el('div', { class: 'picker-preview' });
  #previewName = el('p', { class: 'picker-name' });
  #keepWords = el('span', { class: 'unseen' });
  #keep = el('button', { type: 'button', class: 'button icon-only keep-button', onclick: () => this.#toggleFavorite() }, icon('star'), this.#keepWords);
  #earlier = el('button', { type: 'button', class: 'button icon-only', 'aria-label': texts.earlier, title: texts.earlier, onclick: () => this.#shift(-1) }, icon('left'));
  #later = el('button', { type: 'button', class: 'button icon-only', 'aria-label': texts.later, title: texts.later, onclick: () => this.#shift(1) }, icon('right'));
  #title = el('h2', { id: 'picker-title', class: 'unseen' });
  #panel = el('div', { id: 'emoji-panel', class: 'popover picker', popover: 'auto', tabindex: -1, role: 'dialog', 'aria-labelledby': 'picker-title' });
  #grid = new EmojiGrid(() => this.page.catalogue, () => this.#preview.dataset.id || this.#look(this.#grid.active));
  /** @type {Wish | null} */
  #wish = null;
  /** @type {AbortController | null} */
  #asking = null;
  /** @type {any} */
  #timer = null;
  /** What somebody without an account has chosen. */
  #toneHere = 'none';
  /** @type {string[]} */
  #popular = [];
  /** @type {string[]} */
  #hits = [];
  /** @type {string[]} What the sections that follow the state were last drawn from. */
  #drawn = [];

  build() {
    const { element } = this.#grid;
    const close = el('button', { type: 'button', class: 'button icon-only picker-close', 'aria-label': words.profile.close, onclick: () => this.#panel.hidePopover() }, icon('cross'));
    this.#panel.append(
      this.#title,
      el('div', { class: 'picker-head' }, this.#search, this.#tones.button, close),
      this.#tones.row,
      this.#tabs,
      this.#found,
      element,
      el('div', { class: 'picker-foot' }, this.#preview, this.#previewName, this.#earlier, this.#later, this.#keep),
    );
    this.append(this.#panel);
    this.#panel.addEventListener('toggle', (event) => {
      if (/** @type {ToggleEvent} */ (event).newState === 'closed') this.#closed();
    });
    this.#search.addEventListener('input', () => this.#searchSoon());
    this.#panel.addEventListener('keydown', (event) => void this.#key(event));
    element.addEventListener('click', (event) => this.#choose(cellOf(event)));
    element.addEventListener('pointerover', (event) => this.#look(cellOf(event)));
    element.addEventListener('focusin', (event) => {
      this.#grid.rove(cellOf(event) ?? undefined);
      this.#look(cellOf(event));
    });
    letDrag(element, (emoji, onto) => this.#move(emoji, this.#favorites.indexOf(onto)));
    this.client.on('ended', (/** @type {Change} */ change) => {
      if (isFailed(change) && change.name.startsWith('favorite.') && this.isOpen) setText(this.#found, cureOf(change, this.client.now()).title);
    });
  }

  get isOpen() {
    return this.#panel.matches(':popover-open');
  }

  get #favorites() {
    return this.client.view.favorites ?? [];
  }

  get #tone() {
    return this.#isIn ? (this.client.view.preferences?.skin_tone ?? 'none') : this.#toneHere;
  }

  get #isIn() {
    return this.page.isIn();
  }

  draw() {
    if (!this.isOpen) return;
    this.#tones.draw(this.#tone);
    const [favoritesWere, recentWas, ownWas, toneWas] = this.#drawn;
    this.#drawn = this.#drawnFrom();
    const [favorites, recent, own, tone] = this.#drawn;
    if (toneWas !== tone) return this.#searchSoon(0);
    if (favoritesWere !== favorites) void this.#grid.refill(FAVORITES);
    if (recentWas !== recent) void this.#grid.refill(RECENT);
    if (ownWas !== own) void this.#grid.refill(CUSTOM);
    this.#look(this.#grid.cellOf(this.#preview.dataset.id) ?? this.#grid.active);
  }

  /** What of the state the sections show: favourites, recents, one's own, the tone. */
  #drawnFrom() {
    const { favorites = [], recent_emojis: recent = [], custom_emojis: own = {} } = this.client.view;
    const pending = this.client.changes.filter((change) => change.name.startsWith('favorite.') && isPending(change)).map(({ mid }) => mid);
    return [JSON.stringify([favorites, pending]), JSON.stringify(recent), JSON.stringify(own), this.#tone];
  }

  /** @param {Wish} wish */
  open(wish) {
    this.#wish = wish;
    setText(this.#title, wish.title);
    this.#search.value = '';
    this.#panel.showPopover();
    this.#place(wish.anchor);
    this.#tones.draw(this.#tone);
    this.#drawn = this.#drawnFrom();
    if (matchMedia('(pointer: fine)').matches) this.#search.focus({ preventScroll: true });
    else this.#panel.focus({ preventScroll: true });
    void this.#browse();
  }

  #closed() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    const { anchor } = this.#wish ?? {};
    this.#wish = null;
    this.#grid.show([]);
    if (anchor?.isConnected && (document.activeElement === document.body || this.contains(document.activeElement))) anchor.focus({ preventScroll: true });
  }

  /** Beside what it was opened from, and within the window. @param {HTMLElement} anchor */
  #place(anchor) {
    const { style, offsetWidth: width, offsetHeight: height } = this.#panel;
    style.translate = '';
    if (matchMedia('(max-width: 899px)').matches) {
      style.insetInlineStart = style.insetBlockStart = '';
      return;
    }
    const { left, top, bottom } = anchor.getBoundingClientRect();
    const below = bottom + MARGIN;
    const y = below + height + MARGIN <= innerHeight ? below : Math.max(MARGIN, Math.min(top - height - MARGIN, innerHeight - height - MARGIN));
    style.insetInlineStart = `${Math.max(MARGIN, Math.min(left, innerWidth - width - MARGIN))}px`;
    style.insetBlockStart = `${y}px`;
  }

  // -- what it shows ---------------------------------------------------------------------

  async #browse() {
    const { catalogue } = this.page;
    setText(this.#found, '');
    this.#hits = [];
    const isKnown = await catalogue.open();
    if (!this.isOpen || this.#search.value.trim()) return;
    if (!isKnown) setText(this.#found, texts.unreachable);
    const sections = this.#sections();
    this.#drawn = this.#drawnFrom();
    this.#grid.show(sections);
    this.#drawTabs(sections);
    this.#look(this.#grid.active);
    if (!this.client.view.recent_emojis?.length && !this.#popular.length) {
      this.#popular = (await catalogue.popular()).map(({ id }) => id);
      void this.#grid.refill(RECENT);
    }
  }

  #sections() {
    const { catalogue } = this.page;
    const tools = this.#isIn ? el('button', { type: 'button', class: 'button small', onclick: () => this.#bring() }, icon('plus'), texts.bring) : null;
    void catalogue.load(CUSTOM).then(() => void (this.isOpen && this.#grid.refill(CUSTOM)));
    return pickerSections(this.page, { tone: () => this.#tone, popular: () => this.#popular, tools });
  }

  /** @param {Section[]} sections */
  #drawTabs(sections) {
    const marks = /** @type {Record<string, string>} */ (MARKS);
    this.#tabs.replaceChildren(
      ...sections.map(({ id, title }) => {
        const mark = marks[id] ?? CUSTOM;
        const picture = /^[a-z]+$/.test(mark) ? icon(/** @type {import('./icons.js').IconName} */ (mark)) : emojiFace(mark, this.page.catalogue);
        return el('button', { type: 'button', class: 'picker-tab', 'data-to': id, 'aria-label': title, title, onclick: () => void this.#jump(id) }, picture);
      }),
    );
    setShown(this.#tabs, sections.length > 1);
  }

  /** @param {string} id */
  async #jump(id) {
    if (this.#search.value) {
      this.#search.value = '';
      await this.#browse();
    }
    await this.#grid.fill(id);
    const group = this.#grid.group(id);
    if (!group) return;
    this.#grid.element.scrollTop = group.offsetTop - this.#grid.element.offsetTop;
    this.#grid.rove(this.#grid.cells(group)[0]);
  }

  // -- search ----------------------------------------------------------------------------

  #searchSoon(afterMs = DEBOUNCE_MS) {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#timer = setTimeout(() => void this.#searchNow(), afterMs);
  }

  async #searchNow() {
    const query = this.#search.value.trim();
    if (!query) return this.#browse();
    const asking = new AbortController();
    this.#asking = asking;
    const found = await this.page.catalogue.search(query, this.#tone, asking.signal);
    // An answer to what is not asked any more.
    if (asking.signal.aborted || asking !== this.#asking || !this.isOpen) return undefined;
    if (!found) return setText(this.#found, texts.searchFailed);
    this.#hits = found.emojis.map(({ id }) => id);
    for (const emoji of found.emojis) this.page.catalogue.learnHit(emoji);
    this.#grid.show([{ id: 'found', title: texts.results, count: this.#hits.length, cells: () => this.#hits.map((id) => ({ id })) }]);
    setShown(this.#tabs, false);
    setText(this.#found, this.#hits.length ? `${texts.found(this.#hits.length)}${found.isPartial ? ` ${texts.partial}` : ''}` : texts.nothing(query));
    return this.#look(this.#grid.active);
  }

  // -- what one does with it -------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  async #key(event) {
    const { key, target, ctrlKey, metaKey, altKey } = event;
    const isInSearch = target === this.#search;
    if (key === 'Escape' && this.#search.value) {
      event.preventDefault(); // first what was typed, then the whole
      event.stopPropagation();
      this.#search.value = '';
      this.#search.focus();
      return this.#searchSoon(0);
    }
    if (isInSearch && key === 'Enter') {
      event.preventDefault(); // else the button that gets the focus back would be pressed by it
      return this.#choose(this.#grid.cells()[0] ?? null);
    }
    if (isInSearch && key === 'ArrowDown') {
      event.preventDefault();
      return this.#grid.focus(this.#grid.active ?? undefined);
    }
    const cell = cellOf(event);
    if (!cell) return undefined;
    if (altKey && (key === 'ArrowLeft' || key === 'ArrowRight')) {
      event.preventDefault();
      return this.#shift(key === 'ArrowLeft' ? -1 : 1);
    }
    if (key === 'Delete' && cell.closest(`[data-section=${FAVORITES}]`)) return this.#toggleFavorite();
    if (/^(Arrow|Page|Home$|End$)/.test(key)) {
      event.preventDefault();
      if (key === 'ArrowUp' && cell.parentElement === this.#grid.element.querySelector('.picker-row')) return this.#search.focus();
      return void (await this.#grid.walk(key, ctrlKey || metaKey));
    }
    // Whoever types means the search.
    if ([...key].length === 1 && key !== ' ' && !ctrlKey && !metaKey && !altKey) this.#search.focus();
    return undefined;
  }

  /** @param {HTMLElement | null} cell */
  #choose(cell) {
    const { id } = cell?.dataset ?? {};
    const wish = this.#wish;
    if (!id || !wish) return;
    this.#panel.hidePopover();
    wish.anchor.focus({ preventScroll: true });
    wish.choose(id);
    if (this.#isIn) this.client.mutate('emoji.use', { emoji: id, count: 1 });
  }

  /** Shows what an emoji is called and what can be done with it. @param {HTMLElement | null} cell */
  #look(cell) {
    const id = cell?.dataset.id;
    if (!cell || !id) {
      this.#preview.replaceChildren();
      setText(this.#previewName, '');
    } else if (this.#preview.dataset.id !== id || !this.#preview.firstChild) this.#preview.replaceChildren(emojiFace(id, this.page.catalogue));
    this.#preview.dataset.id = id ?? '';
    if (cell && id) setText(this.#previewName, cell.dataset.note ? `${this.page.catalogue.nameOf(id)} · ${cell.dataset.note}` : this.page.catalogue.nameOf(id));
    const place = this.#favorites.indexOf(id ?? '');
    setShown(this.#keep, this.#isIn && Boolean(id));
    setAttribute(this.#keep, 'aria-pressed', String(place >= 0));
    const say = place >= 0 ? texts.letGo : texts.keep;
    setText(this.#keepWords, say(this.page.catalogue.nameOf(id ?? '')));
    setAttribute(this.#keep, 'title', place >= 0 ? texts.letGoShort : texts.keepShort);
    setShown(this.#earlier, this.#isIn && place > 0);
    setShown(this.#later, this.#isIn && place >= 0 && place < this.#favorites.length - 1);
  }

  #toggleFavorite() {
    const { id } = this.#preview.dataset;
    if (!id) return;
    const isKept = this.#favorites.includes(id);
    this.client.mutate(isKept ? 'favorite.remove' : 'favorite.add', { emoji: id });
    this.page.say((isKept ? texts.gone : texts.kept)(this.page.catalogue.nameOf(id)));
  }

  /** @param {number} by */
  #shift(by) {
    const { id = '' } = this.#preview.dataset;
    this.#move(id, this.#favorites.indexOf(id) + by);
  }

  /** @param {string} emoji  @param {number} place */
  #move(emoji, place) {
    const args = moveTo(this.#favorites, emoji, place);
    if (!args) return;
    this.client.mutate('favorite.move', args);
    this.page.say(texts.moved(this.page.catalogue.nameOf(emoji), place + 1, this.#favorites.length));
  }

  /** @param {string} tone */
  #setTone(tone) {
    if (this.#isIn) this.client.mutate('preferences.set', { values: { skin_tone: tone } });
    this.#toneHere = tone;
    this.draw();
  }

  #bring() {
    this.#panel.hidePopover();
    this.page.openDialog('brought');
  }
}

/** @param {Event} event  @returns {HTMLElement | null} */
const cellOf = (event) => /** @type {Element} */ (event.target).closest('.picker-cell');

customElements.define('emoji-picker', EmojiPicker);
