/**
 * Links to the sign-in services of this place. Links and no buttons: they lead away from here and back.
 *
 * @import {Ways} from '../page/door.js'
 */
import { wayIn } from '../page/door.js';
import { el, keep } from './dom.js';

/**
 * @param {object} how
 * @param {string} how.label  What a screen reader calls the group.
 * @param {string} [how.next]  Where to come back to.
 * @param {(title: string) => string} how.say
 * @param {() => void} [how.leaving]  Called before the page is left.
 */
export function waysIn({ label, next, say, leaving }) {
  const list = el('ul', { class: 'ways', 'aria-label': label });
  /** @param {Ways} ways */
  const draw = ({ providers }) =>
    keep(list, providers, {
      key: ({ name }) => name,
      make: ({ name, title }) =>
        el('li', {}, el('a', { class: 'button way', href: wayIn(name, next), onclick: () => leaving?.() }, providerMark(name, title), el('span', {}, say(title)))),
      fill: () => undefined,
    });
  return { list, draw };
}

/** A sign-in service's letter on its tint. @param {string} name  @param {string} title */
export function providerMark(name, title) {
  const hue = [...name].reduce((sum, char) => sum + (char.codePointAt(0) ?? 0), 0) % 8;
  return el('span', { class: 'mark', 'aria-hidden': 'true', 'data-hue': hue, 'data-initials': [...title][0]?.toLocaleUpperCase() ?? '·' });
}
