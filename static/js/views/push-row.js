/**
 * The switch "tell me when I am away", with all that may stand in its way in words beside it.
 */
import { words } from '../page/messages.js';
import { Push } from '../page/push.js';
import { el, setText } from './dom.js';

const texts = words.push;
/** What leaves nothing to switch. */
const FIXED = new Set(['unknown', 'working', 'asking', 'unsupported', 'install', 'blocked', 'unavailable']);
/** What needs a person's eye. */
const WRONG = new Set(['failed', 'noService', 'refused', 'offline', 'blocked']);

/** @param {() => import('../client/client.js').IdlingClient} client  @param {() => void} changed */
export function pushRow(client, changed) {
  const push = new Push(client, changed);
  const input = /** @type {HTMLInputElement} */ (
    el('input', {
      type: 'checkbox',
      id: 'preference-push',
      role: 'switch',
      class: 'switch',
      'aria-describedby': 'preference-push-hint preference-push-state',
      onchange: () => void (input.checked ? push.turnOn() : push.turnOff()),
    })
  );
  const state = el('p', { id: 'preference-push-state', class: 'small-words push-state', role: 'status' });
  const row = el(
    'div',
    { class: 'switch-row' },
    el('div', {}, el('label', { for: 'preference-push', class: 'field-label' }, texts.label), el('p', { id: 'preference-push-hint', class: 'quiet' }, texts.hint), state),
    input,
  );
  // The person may come back from the browser's settings, where they have allowed it.
  addEventListener('focus', () => void push.look());
  const draw = () => {
    input.checked = push.state === 'on' || ((push.state === 'working' || push.state === 'asking') && input.checked);
    input.disabled = FIXED.has(push.state);
    state.dataset.kind = push.state === 'on' ? 'good' : WRONG.has(push.state) ? 'wrong' : 'plain';
    setText(state, push.state === 'unknown' ? '' : texts.states[push.state]);
  };
  return { row, draw, arrive: () => void push.look({ isAnew: true }) };
}
