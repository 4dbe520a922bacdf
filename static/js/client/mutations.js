/**
 * The mutations this client knows: what each may say, and what it will most likely do.
 *
 * A prediction is a merge patch over the state as it stands now, made anew each time that
 * the state below it changes; null means "no idea, let the server say". Predictions are
 * guesses to be shown early, never the truth: the entry replaces them. A mutation that is
 * not in the table is sent all the same, unpredicted.
 *
 * @import {Json, State} from './types.js'
 *
 * @typedef {object} Moment
 * @property {number} at  When the person did it (ms); fixed, so replaying gives the same patch.
 * @property {string} id  What a thing that this change creates is called until the server names it.
 *
 * @typedef {object} Rule
 * @property {Record<string, (value: any) => string | null>} args  A check per argument; null is fine.
 * @property {string[]} [required]
 * @property {boolean} [some]  Whether at least one optional argument must be there.
 * @property {(state: State, args: Json, moment: Moment) => Json | null} predict
 */
import { applyPatch, isObject } from './merge-patch.js';

/** @param {number} min  @param {number} max  Unicode characters, as the server counts them. */
const text = (min, max) => (/** @type {unknown} */ value) => {
  if (typeof value !== 'string') return 'not_text';
  if (/\p{Surrogate}/u.test(value)) return 'bad_characters';
  // Control characters, but for line breaks and tabs where there may be several lines.
  if (/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(value) || (min && /[\t\n]/.test(value))) return 'bad_characters';
  const length = [...value].length;
  if (length < min || (min && !value.trim())) return 'too_short';
  return length > max ? 'too_long' : null;
};

/** @param {(value: any) => string | null} check */
const orNull = (check) => (/** @type {unknown} */ value) => (value === null ? null : check(value));

/** A name as the server writes it: composed, no space too many. @param {string} name */
export const tidyName = (name) => name.normalize('NFC').split(/\s+/).filter(Boolean).join(' ');

/** @param {string[]} values */
const oneOf = (...values) => (/** @type {unknown} */ value) => (values.includes(/** @type {string} */ (value)) ? null : 'bad_choice');

/** @param {unknown} value */
const flag = (value) => (typeof value === 'boolean' ? null : 'bad_choice');

/** The preferences there are, and what each may be. */
export const PREFERENCES = Object.freeze({
  theme: oneOf('system', 'light', 'dark'),
  density: oneOf('cozy', 'compact'),
  skin_tone: oneOf('none', 'light', 'medium_light', 'medium', 'medium_dark', 'dark'),
  emoji_panel: oneOf('floating', 'docked'),
  sounds: flag,
  push: flag,
  reduced_motion: flag,
});

/** @param {unknown} values */
function preferenceValues(values) {
  if (!isObject(values) || Object.keys(values).length === 0) return 'required';
  const known = /** @type {Record<string, (value: unknown) => string | null>} */ (PREFERENCES);
  for (const [key, value] of Object.entries(values)) {
    if (!Object.hasOwn(known, key)) return 'unknown';
    const problem = known[key](value);
    if (problem) return problem;
  }
  return null;
}

/** @param {number} ms */
const rfc3339 = (ms) => new Date(ms).toISOString();

/**
 * A patch for the open session, or null when it is not the one that was meant.
 *
 * @param {(session: import('./types.js').Session, args: Json, moment: Moment) => Json | null} patch
 * @returns {Rule['predict']}
 */
const ofSession = (patch) => (state, args, moment) => {
  const session = state.session;
  if (!session || session.id !== args.id) return null;
  const change = patch(session, args, moment);
  return change && { session: { ...change, version: session.version + 1 } };
};

/** The server's own limits: what does not fit is not shown as if it did. */
const MAX_FAVORITES = 200;
const MAX_RECENT = 32;

/**
 * A patch for the favourites, or null when nothing would change.
 *
 * @param {(favorites: string[], args: Json) => string[] | null} order
 * @returns {Rule['predict']}
 */
const ofFavorites = (order) => (state, args) => {
  const favorites = order(state.favorites ?? [], args);
  return favorites && { favorites };
};

/**
 * A patch for the notifications that were not dismissed, or null when none would change.
 *
 * @param {(items: Record<string, Json>, args: Json) => Record<string, Json | null>} change
 * @returns {Rule['predict']}
 */
const ofNotifications = (change) => (state, args) => {
  const shown = state.notifications?.items ?? {};
  const items = change(shown, args);
  if (!Object.keys(items).length) return null;
  const unread = Object.values(applyPatch(shown, items)).filter((one) => !one.read);
  return { notifications: { unread_count: unread.length, items } };
};

const id = text(1, 64);
/** @param {unknown} value */
const ids = (value) => (Array.isArray(value) && value.length >= 1 && value.length <= 200 ? (value.map(id).find(Boolean) ?? null) : 'bad_choice');
const activity = text(1, 80);
const emoji = text(1, 64);

/** @param {unknown} value */
const pushKeys = (value) => (isObject(value) && typeof value.p256dh === 'string' && typeof value.auth === 'string' ? null : 'bad_choice');

/** @type {Readonly<Record<string, Rule>>} */
export const MUTATIONS = Object.freeze({
  'session.start': {
    args: { activity, emoji },
    required: ['activity'],
    predict(state, args, moment) {
      if (state.session) return null;
      const session = { id: moment.id, activity: args.activity, status: 'active', started_at: rfc3339(moment.at), paused_s: 0, version: 1 };
      return { session: args.emoji === undefined ? session : { ...session, emoji: args.emoji } };
    },
  },
  'session.update': {
    args: { id, activity, emoji: orNull(emoji) },
    required: ['id'],
    some: true,
    predict: ofSession((_session, { id: _id, ...values }) => values),
  },
  'session.pause': {
    args: { id },
    required: ['id'],
    predict: ofSession((session, _args, moment) =>
      session.status === 'active' ? { status: 'paused', paused_at: rfc3339(moment.at) } : null,
    ),
  },
  'session.resume': {
    args: { id },
    required: ['id'],
    predict: ofSession((session, _args, moment) => {
      if (session.status !== 'paused') return null;
      const pausedMs = session.paused_at ? Math.max(0, moment.at - Date.parse(session.paused_at)) : 0;
      return { status: 'active', paused_at: null, paused_s: session.paused_s + pausedMs / 1000 };
    }),
  },
  'session.end': {
    args: { id },
    required: ['id'],
    predict: (state, args) => (state.session && state.session.id === args.id ? { session: null } : null),
  },
  'profile.update': {
    args: { name: (name) => text(2, 40)(typeof name === 'string' ? tidyName(name) : name), bio: text(0, 500) },
    some: true,
    predict(state, args) {
      const values = args.name === undefined ? args : { ...args, name: tidyName(args.name) };
      return { profile: { ...values, version: (state.profile?.version ?? 0) + 1 } };
    },
  },
  'preferences.set': {
    args: { values: preferenceValues },
    required: ['values'],
    predict: (state, args) => ({ preferences: { ...args.values, version: (state.preferences?.version ?? 0) + 1 } }),
  },
  'account.unlink': {
    args: { provider: text(1, 40) },
    required: ['provider'],
    predict: (state, { provider }) => (state.accounts?.[provider] ? { accounts: { [provider]: null } } : null),
  },
  'favorite.add': {
    args: { emoji },
    required: ['emoji'],
    predict: ofFavorites((favorites, args) =>
      favorites.includes(args.emoji) || favorites.length >= MAX_FAVORITES ? null : [...favorites, args.emoji],
    ),
  },
  'favorite.remove': {
    args: { emoji },
    required: ['emoji'],
    predict: ofFavorites((favorites, args) => (favorites.includes(args.emoji) ? favorites.filter((one) => one !== args.emoji) : null)),
  },
  'favorite.move': {
    args: { emoji, after: orNull(emoji) },
    required: ['emoji', 'after'],
    predict: ofFavorites((favorites, args) => {
      const rest = favorites.filter((one) => one !== args.emoji);
      const place = args.after === null ? 0 : rest.indexOf(args.after) + 1;
      if (rest.length === favorites.length || (args.after !== null && place === 0)) return null;
      return [...rest.slice(0, place), args.emoji, ...rest.slice(place)];
    }),
  },
  'emoji.use': {
    args: { emoji, count: (value) => (Number.isInteger(value) && value >= 1 && value <= 100 ? null : 'bad_choice') },
    required: ['emoji', 'count'],
    predict(state, args) {
      const others = (state.recent_emojis ?? []).filter((/** @type {string} */ one) => one !== args.emoji);
      return { recent_emojis: [args.emoji, ...others].slice(0, MAX_RECENT) };
    },
  },
  'custom_emoji.delete': {
    args: { id },
    required: ['id'],
    predict: (state, args) => (state.custom_emojis?.[args.id] ? { custom_emojis: { [args.id]: null } } : null),
  },
  // What these two do is somebody else's state, unless the emoji is one's own.
  'custom_emoji.review': {
    args: { id, approve: flag },
    required: ['id', 'approve'],
    predict(state, args) {
      const own = state.custom_emojis?.[args.id];
      return own ? { custom_emojis: { [args.id]: { status: args.approve ? 'approved' : 'rejected', version: own.version + 1 } } } : null;
    },
  },
  'notification.read': {
    args: { ids, up_to: id },
    some: true,
    predict: ofNotifications((shown, { ids: some, up_to: last }) => {
      const meant = Object.keys(shown).filter((one) => (some ? some.includes(one) : one <= last) && !shown[one].read);
      return Object.fromEntries(meant.map((one) => [one, { read: true }]));
    }),
  },
  'notification.dismiss': {
    args: { id },
    required: ['id'],
    predict: ofNotifications((shown, args) => (shown[args.id] ? { [args.id]: null } : {})),
  },
  // Where a browser can be reached is no part of the state.
  'push.subscribe': { args: { endpoint: text(1, 1000), keys: pushKeys, expirationTime: () => null }, required: ['endpoint', 'keys'], predict: () => null },
  'push.unsubscribe': { args: { endpoint: text(1, 1000) }, required: ['endpoint'], predict: () => null },
  'reaction.send': { args: { session: id, emoji }, required: ['session', 'emoji'], predict: () => null },
});

/**
 * Changes of one lane follow each other: none is sent before the one ahead of it has its
 * verdict. A retryable error could otherwise let a later one overtake, and the person's
 * last word would not be the last one written. Lanes do not wait for each other.
 *
 * @param {string} name
 */
export function laneOf(name) {
  return name.slice(0, name.indexOf('.'));
}

/**
 * @param {string} name
 * @param {Json} args
 * @returns {Record<string, string[]> | null} What is wrong, by argument; null when nothing is.
 */
export function checkArgs(name, args) {
  const rule = Object.hasOwn(MUTATIONS, name) ? MUTATIONS[name] : null;
  if (!rule) return null;
  /** @type {Record<string, string[]>} */
  const fields = {};
  for (const key of rule.required ?? []) {
    if (args[key] === undefined) fields[key] = ['required'];
  }
  for (const [key, value] of Object.entries(args)) {
    const problem = Object.hasOwn(rule.args, key) ? rule.args[key](value) : 'unknown';
    if (problem) fields[key] = [problem];
  }
  const given = Object.keys(args).filter((key) => !(rule.required ?? []).includes(key));
  if (rule.some && given.length === 0) fields._ = ['required'];
  return Object.keys(fields).length ? fields : null;
}

/**
 * @param {State} state
 * @param {string} name
 * @param {Json} args
 * @param {Moment} moment
 * @returns {Json | null}
 */
export function predict(state, name, args, moment) {
  return Object.hasOwn(MUTATIONS, name) ? MUTATIONS[name].predict(state, args, moment) : null;
}
