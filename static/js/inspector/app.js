/**
 * The inspector: one line, and everything that can be seen of it and done with it.
 */
import { el, setShown, setText } from '../views/dom.js';
import { FrameLog } from './frame-log.js';
import { Line } from './line.js';
import { labelled, MutationForm } from './mutation-form.js';
import { pretty } from './showing.js';
import { Simulations } from './simulations.js';
import { words } from './words.js';

const texts = words.state;
const said = el('p', { class: 'unseen', role: 'status' });
const log = new FrameLog((text) => setText(said, text));
let isDue = false;

const line = new Line({
  seen: (seen) => log.add(seen),
  changed() {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      draw();
    });
  },
});

const chip = el('p', { class: 'chip', role: 'status' });
const offline = el('button', { type: 'button', class: 'button small', onclick: turn });
const facts = {
  cursor: el('code', { id: 'cursor' }),
  head: el('code', { id: 'head' }),
  connection: el('code', { id: 'connection' }),
  instance: el('code', { id: 'instance' }),
};
const state = el('pre', { class: 'state', id: 'state', tabindex: '0', 'aria-label': texts.state });
const form = new MutationForm(line);

const raw = /** @type {HTMLTextAreaElement} */ (el('textarea', { class: 'input code', id: 'raw', rows: '3', spellcheck: 'false', autocomplete: 'off' }));
raw.value = '{"type": "subscribe", "topic": "lobby"}';
const rawSaid = el('p', { class: 'sent-said', role: 'status' });
const rawCard = el(
  'section',
  { class: 'card', 'aria-labelledby': 'raw-heading' },
  el('h2', { id: 'raw-heading' }, words.raw.heading),
  el('p', { class: 'quiet' }, words.raw.lead),
  el(
    'form',
    { class: 'stack tight', onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), setText(rawSaid, line.sendText(raw.value) ? words.raw.sent : words.raw.noLine)) },
    labelled(words.raw.label, raw),
    el('div', { class: 'actions' }, el('button', { class: 'button' }, words.raw.submit)),
  ),
  rawSaid,
);

function turn() {
  if (['offline', 'closed', 'waiting'].includes(line.status)) line.open();
  else line.goOffline();
}

function draw() {
  const { status, closed, welcome } = line;
  const why = closed && (status === 'closed' || status === 'waiting') ? `, ${words.closedFor(closed.code, closed.reason)}` : '';
  const waiting = line.queue.length ? `, ${words.queued(line.queue.length)}` : '';
  chip.dataset.status = status;
  setText(chip, `${words.status[status]}${why}${waiting}`);
  setText(offline, status === 'offline' ? words.goOnline : status === 'closed' || status === 'waiting' ? words.reconnect : words.goOffline);
  setText(facts.cursor, line.cursor ?? texts.none);
  setText(facts.head, line.head ?? texts.none);
  setText(facts.connection, welcome?.connection ?? texts.none);
  setText(facts.instance, welcome?.instance ?? texts.none);
  setText(state, pretty(line.state));
  setShown(state, welcome !== null);
  const { theme = 'system', density = 'cozy' } = line.state.preferences ?? {};
  Object.assign(document.documentElement.dataset, { theme, density });
}

document.body.append(
  el('a', { class: 'skip', href: '#frames' }, words.skip),
  el(
    'header',
    { class: 'desk-top' },
    el('h1', {}, words.title),
    chip,
    offline,
    el('a', { class: 'button small home', href: '/' }, words.home),
  ),
  el(
    'main',
    { class: 'inspector' },
    el('p', { class: 'quiet lead' }, words.lead),
    el(
      'nav',
      { class: 'jump', 'aria-label': words.jump },
      ...[
        ['frames-heading', words.frames.heading],
        ['state-heading', texts.heading],
        ['send-heading', words.send.heading],
        ['raw-heading', words.raw.heading],
        ['trials-heading', words.trials.heading],
      ].map(([id, text]) => el('a', { href: `#${id}` }, text)),
    ),
    log.element,
    el(
      'div',
      { class: 'inspector-side' },
      el(
        'section',
        { class: 'card', 'aria-labelledby': 'state-heading' },
        el('h2', { id: 'state-heading' }, texts.heading),
        el('p', { class: 'quiet' }, texts.lead),
        el(
          'dl',
          { class: 'facts' },
          ...Object.entries(facts).map(([name, value]) => el('div', {}, el('dt', { class: 'quiet' }, texts[/** @type {keyof typeof facts} */ (name)]), el('dd', {}, value))),
        ),
        state,
      ),
      form.element,
      rawCard,
      new Simulations(line).element,
    ),
  ),
  said,
);
draw();
line.open();
void line.live().then(() => form.load(), () => form.load());
