/**
 * The words and the emoji of a session, for starting one and for changing it.
 */
import { guess } from '../page/emoji.js';
import { words } from '../page/messages.js';
import { el, setAttribute, setShown, setText } from './dom.js';
import { EmojiField } from './emoji-field.js';

const MAX = 80;
let count = 0;

/**
 * @param {object} how
 * @param {string} how.label
 * @param {string} how.submit
 * @param {string} [how.hint]
 * @param {boolean} [how.ideas]  Whether to offer some.
 * @param {(values: {activity: string, emoji: string}) => void} how.done
 * @param {() => void} [how.cancel]
 */
export function sessionForm({ label, submit, hint, ideas = false, done, cancel }) {
  count += 1;
  const id = `activity-${count}`;
  const emoji = /** @type {EmojiField} */ (el('emoji-field'));
  const input = /** @type {HTMLInputElement} */ (
    el('input', { id, type: 'text', class: 'input', maxlength: MAX, autocomplete: 'off', enterkeyhint: 'go', placeholder: hint, 'aria-describedby': `${id}-problem` })
  );
  const problem = el('p', { id: `${id}-problem`, class: 'problem', hidden: true });
  const button = el('button', { type: 'submit', class: 'button primary' }, submit);
  const form = el(
    'form',
    { class: 'session-form', novalidate: true },
    el('label', { for: id, class: 'field-label' }, label),
    el('div', { class: 'field-row' }, emoji, input),
    problem,
    ideas && ideasFor((text) => {
      input.value = text;
      input.dispatchEvent(new Event('input'));
      input.focus();
    }),
    el('div', { class: 'actions' }, button, cancel && el('button', { type: 'button', class: 'button', onclick: cancel }, words.session.cancel)),
  );
  /** @param {string | null} text */
  const complain = (text) => {
    setText(problem, text ?? '');
    setShown(problem, text !== null);
    setAttribute(input, 'aria-invalid', text !== null && 'true');
  };
  // Once somebody has chosen one by hand it stays.
  let isChosen = false;
  emoji.addEventListener('change', () => (isChosen = true));
  input.addEventListener('input', () => {
    complain(null);
    const guessed = guess(input.value);
    if (guessed && !isChosen) emoji.value = guessed;
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const activity = input.value.trim();
    if (!activity) {
      complain(words.fields.required);
      return input.focus();
    }
    done({ activity, emoji: emoji.value });
  });
  form.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && cancel && !event.defaultPrevented) cancel();
  });
  /** Empty again, or with what there is to be changed. @param {{activity?: string, emoji?: string}} [values] */
  const fill = ({ activity = '', emoji: chosen } = {}) => {
    input.value = activity;
    isChosen = Boolean(chosen);
    if (chosen) emoji.value = chosen;
    complain(null);
  };
  return { form, input, button, complain, fill };
}

/** @param {(text: string) => void} choose */
function ideasFor(choose) {
  const chips = words.ideas.map((text) => el('button', { type: 'button', class: 'idea', onclick: () => choose(text) }, text));
  return el('div', { class: 'ideas', role: 'group', 'aria-label': words.session.ideas }, ...chips);
}
