/**
 * The page: builds every part once, hands each the same client, and draws them all from one state.
 *
 * @import {Entry, State} from './client/types.js'
 * @import {Page, Place, View} from './views/view.js'
 * @import {Wish} from './views/emoji-field.js'
 */
import { createClient } from './idling-client.js';
import { watchActivity } from './page/activity.js';
import { leave, takeLoginError, Ways } from './page/door.js';
import { Catalogue } from './page/catalogue.js';
import { watchFaults } from './page/faults.js';
import { install } from './page/installed.js';
import { Lobby } from './page/lobby.js';
import { words } from './page/messages.js';
import { showUnread } from './page/unread.js';
import './views/change-feed.js';
import './views/connection-chip.js';
import './views/earlier-list.js';
import { EmojiField } from './views/emoji-field.js';
import { Later } from './views/later.js';
import { MySession } from './views/my-session.js';
import { NotificationList } from './views/notification-list.js';
import './views/person-menu.js';
import './views/reaction-flight.js';
import './views/tab-bar.js';
import './views/the-room.js';
import { TroubleList } from './views/trouble-list.js';
import { UpdateToast } from './views/update-toast.js';
import { WelcomeView } from './views/welcome-view.js';

/** Places that an address can lead to, besides the room. */
const PLACES = /** @type {const} */ (['account', 'bell']);

const VIEWS = ['welcome-view', 'connection-chip', 'person-menu', 'trouble-list', 'my-session', 'earlier-list', 'the-room', 'notification-list', 'change-feed', 'tab-bar', 'reaction-flight'].join();

watchFaults();
const client = createClient();
const { body, documentElement: root } = document;
const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const views = /** @type {View[]} */ ([...document.querySelectorAll(VIEWS)]);
const door = /** @type {WelcomeView} */ (find('welcome-view'));
const session = /** @type {MySession} */ (find('my-session'));
const bell = /** @type {NotificationList} */ (find('notification-list'));
const troubles = /** @type {TroubleList} */ (find('trouble-list'));
const later = new Later(
  (view) => {
    view.join(page);
    views.push(view);
    view.draw();
  },
  () => troubles.tell(words.trouble.partMissing),
);
const said = find('#said');
let isDue = false;
/** Who goes by themselves need not be told that they are out: what they see next is the page anew. */
let isLeaving = false;
let loginError = takeLoginError();

/** Draws in the next frame, once, whatever happened before it. */
function draw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    drawNow();
  });
}

function drawNow() {
  if (isLeaving) return;
  dress(client.view);
  const where = page.isIn() ? 'room' : client.connection.status === 'connecting' && !client.user ? 'waiting' : 'door';
  if (body.dataset.where !== where) {
    body.dataset.where = where;
    arriveAt(where);
  }
  for (const view of views) view.draw();
  showUnread(page.isIn() ? (client.view.notifications?.unread_count ?? 0) : 0);
  for (const field of document.querySelectorAll('emoji-field')) /** @type {EmojiField} */ (field).draw();
}

/** @param {'waiting' | 'door' | 'room'} where */
function arriveAt(where) {
  if (where === 'waiting') return;
  void page.ways.load();
  void later.prepare();
  if (where === 'door') {
    // What was open belongs to somebody who is not in any more.
    for (const dialog of document.querySelectorAll('dialog[open]')) /** @type {HTMLDialogElement} */ (dialog).close();
    for (const popover of document.querySelectorAll(':popover-open')) /** @type {HTMLElement} */ (popover).hidePopover();
  }
  if (loginError !== null) {
    const texts = /** @type {Record<string, string>} */ (words.signIn);
    const text = Object.hasOwn(texts, loginError) ? texts[loginError] : texts.other;
    loginError = null;
    if (where === 'door') door.tell(text);
    else void tellLinking(text);
  } else if (where === 'door' && matchMedia('(pointer: fine)').matches) door.invite();
  if (where === 'room') turnTo(placeInAddress());
}

/** Who is in has tried to link an account. @param {string} text */
async function tellLinking(text) {
  page.open('account');
  (await later.want('account-view'))?.tell(text);
}

const placeInAddress = () => PLACES.find((place) => location.hash === `#${place}`) ?? 'room';

/** Shows the room, the bell in it, or the account page. @param {Place} place */
function turnTo(place) {
  if (place === 'bell') {
    page.showTab('bell', { keepAddress: true });
    return bell.arrive();
  }
  if (body.dataset.place === place) return;
  body.dataset.place = place;
  draw();
  if (page.isShown('account')) void showAccount();
  return undefined;
}

async function showAccount() {
  const [account, , devices] = await Promise.all([later.want('account-view'), later.want('linked-accounts'), later.want('device-list')]);
  if (!page.isShown('account')) return; // gone on meanwhile
  drawNow();
  scrollTo({ top: 0 });
  account?.arrive();
  devices?.arrive();
}

/** What the whole page wears: theme, spacing and motion, as preferred. @param {State} view */
function dress({ preferences = {} }) {
  root.dataset.theme = preferences.theme ?? 'system';
  root.dataset.density = preferences.density ?? 'cozy';
  root.dataset.motion = preferences.reduced_motion ? 'still' : 'normal';
}

/** What few have switched on is fetched only for them. @param {(push: typeof import('./page/push.js')) => Promise<void>} run */
async function withPush(run) {
  try {
    if (localStorage.getItem('idling.push')) await run(await import('./page/push.js'));
  } catch {
    // Storage is forbidden, or the module cannot be had now: at the next visit, then.
  }
}

/** @type {Page} */
const page = {
  client,
  lobby: new Lobby(client, draw),
  catalogue: new Catalogue(draw, () => client.view.custom_emojis ?? {}),
  isIn: () => client.user !== null && client.connection.status !== 'signed_out',
  draw,
  ways: new Ways(draw),
  open(place) {
    if (place !== placeInAddress()) location.hash = place; // so that "back" leads back
    turnTo(place);
  },
  isShown: (place) => body.dataset.where === 'room' && body.dataset.place === place,
  async openDialog(name, draft) {
    if (name === 'profile') (await later.want('profile-sheet'))?.open(draft);
    else if (name === 'brought') (await later.want('brought-sheet'))?.open();
    else if (name === 'preferences') (await later.want('preferences-sheet'))?.open();
    else (await later.want('leave-sheet'))?.ask({ everywhere: name === 'leave_everywhere' });
  },
  showTab(tab, { keepAddress = false } = {}) {
    if (keepAddress) turnTo('room');
    else page.open('room');
    body.dataset.tab = tab === 'begin' ? 'room' : tab;
    if (tab === 'begin') session.invite();
    else scrollTo({ top: 0 });
    draw();
  },
  askIn() {
    draw();
  },
  async signOut() {
    isLeaving = true;
    await withPush(({ drop }) => drop());
    await leave();
    await client.leave({ erase: true });
    location.reload();
  },
  say(text) {
    said.textContent = text;
  },
};

for (const element of document.querySelectorAll('[data-words]')) {
  element.textContent = words[/** @type {'skip' | 'place' | 'me'} */ (/** @type {HTMLElement} */ (element).dataset.words)];
}
EmojiField.catalogue = page.catalogue;
for (const view of views) view.join(page);
for (const event of /** @type {const} */ (['view', 'changes', 'connection'])) client.on(event, draw);
client.on('problem', (problem) => {
  if (problem instanceof DOMException) troubles.tell(words.trouble.storage);
});
client.on('ended', (change) => {
  // Nobody has to know that something was not counted, not marked as seen, or gone already.
  const isSmall = change.name === 'emoji.use' || change.name === 'notification.read' || change.error?.code === 'notification_not_found';
  if (isSmall) client.acknowledge(change.mid);
});
client.on('frame', (frame) => {
  const { type, items = [] } = /** @type {Entry & {type: string}} */ (frame);
  if (type !== 'entry') return;
  const hasTimedOut = items.some(({ kind, data }) => kind === 'session.ended' && data?.reason === 'timeout');
  if (hasTimedOut) troubles.tell(words.session.timedOut);
});
document.addEventListener('emoji-wanted', async (event) => {
  (await later.want('emoji-picker'))?.open(/** @type {CustomEvent<Wish>} */ (event).detail);
});
let isRestored = false;
client.on('connection', ({ status }) => {
  if (status === 'signed_out') void withPush(({ drop }) => drop());
  if (isRestored || !['live', 'limited'].includes(status)) return;
  isRestored = true;
  void withPush(({ Push }) => new Push(() => client, () => undefined).restore());
});
// Another tab signed somebody else in or out: the cookie is shared, so must be what is shown.
client.on('account', () => location.reload());
addEventListener('hashchange', () => turnTo(placeInAddress()));
watchActivity((activity) => client.setActivity(activity));
// Who comes back to the page should not have to wait out what was agreed with nobody looking.
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && ['offline', 'connecting'].includes(client.connection.status)) client.retryNow();
});
setInterval(() => {
  if (!document.hidden) for (const view of views) view.tick();
}, 1000);

// What was kept is read in the meantime; the page is there already.
const opened = client.open();
drawNow();
await opened;
drawNow();
void install(
  client,
  (reload) => /** @type {UpdateToast} */ (find('update-toast')).offer(reload),
  (place) => page.open(PLACES.find((one) => one === place) ?? 'room'),
);
