/**
 * A person's emoji on its tinted disc; an initial where there is none to draw.
 */
import { canDraw, toChar } from '../page/emoji.js';
import { el, setText } from './dom.js';
import { EmojiField } from './emoji-field.js';

const HUES = 8;

/** @returns {HTMLElement} */
export function emojiDisc() {
  return el('span', { class: 'disc', 'aria-hidden': 'true' });
}

/**
 * @param {HTMLElement} disc
 * @param {{emoji?: string, words: string, hue: number}} what  `hue`: any number that stays the same for one person.
 */
export function fillDisc(disc, { emoji, words, hue }) {
  disc.dataset.hue = String(Math.abs(hue) % HUES);
  const url = EmojiField.catalogue?.urlOf(emoji) ?? null;
  if (url) {
    if (disc.querySelector('img')?.getAttribute('src') !== url) disc.replaceChildren(el('img', { class: 'face picture', src: url, alt: '' }));
    disc.dataset.kind = 'emoji';
    return;
  }
  const char = toChar(emoji);
  const shown = char && canDraw(char) ? char : null;
  setText(disc, shown ?? ([...words.trim()][0] ?? '·').toLocaleUpperCase());
  disc.dataset.kind = shown ? 'emoji' : 'initial';
}
