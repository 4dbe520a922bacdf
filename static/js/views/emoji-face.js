/**
 * What an emoji looks like here: its character, its picture where somebody brought it, or a word of
 * its name where this device has no picture for it.
 *
 * @import {Catalogue} from '../page/catalogue.js'
 */
import { canDraw, toChar } from '../page/emoji.js';
import { el } from './dom.js';

/**
 * @param {string} id
 * @param {Catalogue} catalogue
 * @returns {HTMLElement} Decoration: its name stands beside it or in a label.
 */
export function emojiFace(id, catalogue) {
  const url = catalogue.urlOf(id);
  if (url) return el('img', { class: 'face picture', src: url, alt: '', loading: 'lazy', decoding: 'async', draggable: 'false' });
  const char = toChar(id);
  if (char && canDraw(char)) return el('span', { class: 'face', 'aria-hidden': 'true' }, char);
  return el('span', { class: 'face wordy', 'aria-hidden': 'true' }, catalogue.nameOf(id).split(/[\s:]/)[0]?.slice(0, 5) ?? '·');
}
