/**
 * The operator's page: a client like any other, with two more topics to subscribe to.
 */
import { Line } from '../inspector/line.js';
import { el, setShown, setText } from '../views/dom.js';
import { Announce } from './announce.js';
import { ErrorBoard } from './error-board.js';
import { Figures } from './figures.js';
import { Instances } from './instances.js';
import { LookUp } from './look-up.js';
import { ask, RefusedError } from './requests.js';
import { Tail } from './tail.js';
import { words } from './words.js';

const VIEW = 'admin';
const TAIL = 'admin.entries';
const ROLES_CHANGED = 4203;
const COME_BACK_MS = 500;

const chip = el('p', { class: 'chip', role: 'status' });
const again = el('button', { type: 'button', class: 'button small', hidden: true, onclick: () => line.open() }, words.reconnect);
const figures = new Figures();
const instances = new Instances();
const errors = new ErrorBoard();
const lookUp = new LookUp();
const tail = new Tail({
  follow: (isOn) => line.send({ type: isOn ? 'subscribe' : 'unsubscribe', topic: TAIL }),
  lookUp: (user) => lookUp.show(user),
});

const line = new Line({
  seen({ way, frame }) {
    if (way !== 'in' || !frame) return;
    if (frame.type === 'welcome') {
      // A line that is new knows of no subscription.
      line.send({ type: 'subscribe', topic: VIEW });
      if (tail.isOn) line.send({ type: 'subscribe', topic: TAIL });
    } else if (frame.type === 'notice' && frame.topic === VIEW) {
      figures.add(frame.data.together);
      instances.show(frame.data.instances, line.welcome?.instance);
    } else if (frame.type === 'notice' && frame.topic === TAIL) {
      tail.add(frame.data);
    }
  },
  changed: draw,
});

function draw() {
  const { status, closed } = line;
  const why = closed && (status === 'closed' || status === 'waiting') ? `, ${words.closedFor(closed.code)}` : '';
  chip.dataset.status = status;
  setText(chip, `${words.status[status]}${why}`);
  setShown(again, status === 'closed');
  // Somebody's roles changed: the cookie is still good, and says at the door what they are now.
  if (status === 'closed' && closed?.code === ROLES_CHANGED) setTimeout(() => line.status === 'closed' && line.open(), COME_BACK_MS);
  const { theme = 'system', density = 'cozy' } = line.state.preferences ?? {};
  Object.assign(document.documentElement.dataset, { theme, density });
}

/** Begins with what was, so that nobody has to wait for a picture of it. */
async function begin() {
  try {
    const { instances: known, history } = await ask('/api/admin/instances');
    figures.begin(history);
    instances.show(known, line.welcome?.instance);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
  }
}

document.body.append(
  el('a', { class: 'skip', href: '#figures' }, words.skip),
  el('header', { class: 'desk-top' }, el('h1', {}, words.title), chip, again, el('a', { class: 'button small home', href: '/' }, words.home)),
  el('main', { class: 'admin' }, figures.element, instances.element, el('div', { class: 'column' }, lookUp.element, new Announce().element), el('div', { class: 'column' }, tail.element, errors.element)),
);
draw();
void begin();
line.open();
errors.begin();
