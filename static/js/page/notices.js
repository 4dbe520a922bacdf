/**
 * Notifications as a person reads them: in our own words where the kind is known, in those it came with where not.
 *
 * @import {Announcement, Level, Member, Notification, State} from '../client/types.js'
 * @import {IconName} from '../views/icons.js'
 *
 * @typedef {object} Notice
 * @property {string} title
 * @property {string} [body]
 * @property {IconName} icon
 * @property {string} [emoji]  Shown instead of the icon.
 * @property {number} [hue]  Of whom it comes from.
 * @property {'again' | 'emoji' | 'devices' | 'wave'} [action]  What one may want to do about it.
 *
 * @typedef {object} Scene  What the words depend on.
 * @property {number} now  Ms.
 * @property {State} view
 * @property {Member[]} members  Who is in the room.
 */
import { titleOf } from './cures.js';
import { asTime, asWords } from './format.js';
import { words } from './messages.js';

const { kinds } = words.notifications;
/** @type {Readonly<Record<Level, IconName>>} */
const ICONS = Object.freeze({ info: 'bell', success: 'check', warning: 'alert', error: 'alert' });

/** @param {State} view  @returns {Notification[]} The newest first. */
export function newestFirst({ notifications }) {
  return Object.values(notifications?.items ?? {}).sort((one, other) => (one.id < other.id ? 1 : -1));
}

/** @param {State} view  @param {number} now  @returns {Announcement[]} The newest first; those whose time is over are not among them. */
export function announced({ announcements = {} }, now) {
  const isOn = (/** @type {Announcement} */ { expires_at: until }) => !until || Date.parse(until) > now;
  return Object.values(announcements).filter(isOn).sort((one, other) => (one.published_at < other.published_at ? 1 : -1));
}

/** @param {Notification} notification  @param {Scene} scene  @returns {Notice} */
export function noticeOf(notification, scene) {
  const { kind, level, title, body, data = {} } = notification;
  const known = Object.hasOwn(KINDS, kind) ? KINDS[/** @type {keyof typeof KINDS} */ (kind)](data, scene) : null;
  return { icon: ICONS[level] ?? 'bell', title, body, ...known };
}

/**
 * @typedef {(data: import('../client/types.js').Json, scene: Scene) => Partial<Notice> | null} Teller  Null: what it
 *   came with says more.
 * @type {Readonly<Record<string, Teller>>}
 */
const KINDS = Object.freeze({
  'reaction.received': ({ emoji, from }, { members }) =>
    from && {
      title: kinds.reaction(from.name),
      emoji,
      icon: 'smile',
      hue: from.id,
      action: members.some(({ user }) => user.id === from.id) ? 'wave' : undefined,
    },
  'session.timed_out': ({ activity, duration_s: ran }, { view }) => ({
    icon: 'clock',
    ...(activity && { title: kinds.timedOut(activity), body: kinds.timedOutBody(asWords(ran ?? 0)), action: view.session ? undefined : 'again' }),
  }),
  'custom_emoji.reviewed': ({ custom_emoji: emoji, name, status }) => ({
    icon: 'smile',
    emoji,
    action: 'emoji',
    ...(name && (status === 'approved' ? { title: kinds.emojiApproved(name) } : { title: kinds.emojiDeclined(name), body: kinds.emojiDeclinedBody })),
  }),
  'device.signed_in': ({ device }) => ({ icon: 'screen', action: 'devices', ...(device && { title: kinds.signedIn(capital(device)), body: kinds.signedInBody }) }),
  'device.ended': ({ device }) => ({ icon: 'alert', action: 'devices', ...(device && { title: kinds.ended(capital(device)), body: kinds.endedBody }) }),
  'account.suspended': ({ until }, { now }) => ({ icon: 'alert', ...(until && { title: kinds.suspended(asTime(until, now)) }) }),
  'mutation.rolled_back': ({ name, args = {} }) => (name ? { icon: 'cross', title: kinds.rolledBack(titleOf({ name, args })) } : null),
});

/** @param {string} text */
const capital = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);
