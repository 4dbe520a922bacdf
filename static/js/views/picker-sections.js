/**
 * What the picker lists when nothing is searched: favourites, what was used lately, each category,
 * and what people brought.
 *
 * @import {Cell, Section} from './emoji-grid.js'
 * @import {Page} from './view.js'
 */
import { isPending } from '../client/delivery.js';
import { CUSTOM, inTone } from '../page/catalogue.js';
import { words } from '../page/messages.js';

const texts = words.emoji;
export const FAVORITES = 'favorites';
export const RECENT = 'recent';
const MOST_RECENT = 18;
/** For who has used none yet, where nobody has. */
const STARTERS = ['1F44B', '2764-FE0F', '1F602', '1F44F', '1F917', '2615', '1F331', '1F389', '1F634'];

/** A face for each section: an icon, or the emoji that stands on its tab. */
export const MARKS = Object.freeze({
  [FAVORITES]: 'star',
  [RECENT]: 'clock',
  'smileys-emotion': '1F642',
  'people-body': '1F44B',
  'animals-nature': '1F408',
  'food-drink': '1F375',
  'travel-places': '1F683',
  activities: '26BD',
  objects: '1F4A1',
  symbols: '2764-FE0F',
  flags: '1F3C1',
  [CUSTOM]: 'plus',
});

/**
 * @param {Page} page
 * @param {object} how
 * @param {() => string} how.tone
 * @param {() => string[]} how.popular  For who has used none yet.
 * @param {Node | null} how.tools  Beside what people brought.
 * @returns {Section[]}
 */
export function pickerSections({ client, catalogue, isIn }, { tone, popular, tools }) {
  const recent = () => (isIn() && client.view.recent_emojis) || [];
  const usual = () => (recent().length ? recent().slice(0, MOST_RECENT) : [...new Set([...popular(), ...STARTERS])].slice(0, STARTERS.length));
  const favorites = () => client.view.favorites ?? [];
  /** @param {string} id  @returns {Cell} */
  const favorite = (id) => {
    const isOnItsWay = client.changes.some(({ name, args, ...change }) => name.startsWith('favorite.') && args.emoji === id && isPending({ name, args, ...change }));
    return isOnItsWay ? { id, note: words.pending.queued } : { id };
  };
  /** @param {string} id  @returns {Cell} */
  const custom = (id) => {
    const status = client.view.custom_emojis?.[id]?.status;
    return status && status !== 'approved' ? { id, note: words.brought.states[status] } : { id };
  };
  const brought = () => (catalogue.page(CUSTOM) ?? []).map(({ id }) => custom(id));
  /** @param {string} id  What it takes to have a category. */
  const load = (id) => async () => (await catalogue.load(id)) !== null;

  /** @type {Section[]} */
  const sections = [{ id: RECENT, title: recent().length ? texts.recent : texts.popular, count: usual().length, cells: () => usual().map((id) => ({ id })) }];
  if (isIn()) sections.unshift({ id: FAVORITES, title: texts.favorites, count: favorites().length, cells: () => favorites().map(favorite) });
  for (const { id, name, count } of catalogue.categories) {
    const cells = () => catalogue.page(id)?.map((emoji) => ({ id: inTone(emoji, tone()) })) ?? null;
    sections.push({ id, title: name, count, cells, load: load(id) });
  }
  sections.push({ id: CUSTOM, title: texts.custom, count: brought().length, cells: brought, load: load(CUSTOM), ...(tools ? { tools } : {}) });
  return sections;
}
