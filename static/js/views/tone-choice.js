/**
 * The skin tone: six swatches, one of them mine.
 */
import { words } from '../page/messages.js';
import { el, setAttribute } from './dom.js';

const TONES = ['none', 'light', 'medium_light', 'medium', 'medium_dark', 'dark'];

/** @param {(tone: string) => void} choose */
export function toneChoice(choose) {
  const radios = TONES.map((tone) =>
    el(
      'label',
      { class: 'tone', 'data-tone': tone, title: words.emoji.tones[/** @type {'none'} */ (tone)] },
      el('input', { type: 'radio', name: 'picker-tone', value: tone, 'aria-label': words.emoji.tones[/** @type {'none'} */ (tone)], onchange: () => choose(tone) }),
      el('span', { 'aria-hidden': 'true' }),
    ),
  );
  const row = el('fieldset', { id: 'picker-tones', class: 'tones', hidden: true }, el('legend', { class: 'unseen' }, words.emoji.tone), ...radios);
  const swatch = el('span', { class: 'tone-swatch', 'aria-hidden': 'true' });
  const toggle = () => {
    row.hidden = !row.hidden;
    setAttribute(button, 'aria-expanded', String(!row.hidden));
    if (!row.hidden) row.querySelector('input:checked')?.scrollIntoView({ block: 'nearest' });
  };
  const button = el('button', { type: 'button', class: 'button icon-only tone-button', 'aria-label': words.emoji.tone, title: words.emoji.tone, 'aria-expanded': 'false', 'aria-controls': 'picker-tones', onclick: toggle }, swatch);
  /** @param {string} tone */
  const draw = (tone) => {
    swatch.dataset.tone = tone;
    for (const input of row.querySelectorAll('input')) input.checked = input.value === tone;
  };
  return { row, button, draw };
}
