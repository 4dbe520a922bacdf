/**
 * Sheets: what opens over the page. From below on a phone, in the middle on a desk; the
 * browser's own dialog keeps the focus inside and gives it back.
 */
import { words } from '../page/messages.js';
import { el } from './dom.js';
import { icon } from './icons.js';

let count = 0;

/**
 * @param {string} heading
 * @param {...Node} content
 */
export function sheet(heading, ...content) {
  count += 1;
  const id = `sheet-heading-${count}`;
  const close = el('button', { type: 'button', class: 'button icon-only', 'aria-label': words.profile.close, onclick: () => dialog.close() }, icon('cross'));
  const dialog = /** @type {HTMLDialogElement} */ (
    el('dialog', { class: 'sheet', 'aria-labelledby': id }, el('header', { class: 'sheet-head' }, el('h2', { id }, heading), close), ...content)
  );
  dialog.addEventListener('click', (event) => {
    // The dialog itself is hit only where its backdrop is: its padding lies on what is inside.
    if (event.target === dialog) dialog.close();
  });
  return dialog;
}
