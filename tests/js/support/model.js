/**
 * The server as the contract describes it, in memory: users, their streams, and mutations
 * that take effect once. It shares no code with the client.
 */

const iso = (ms) => new Date(ms).toISOString();

function merge(target, patch) {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const result = target !== null && typeof target === 'object' && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}

class Rejection extends Error {
  constructor(code, current) {
    super(code);
    this.code = code;
    this.current = current;
  }
}

/** What each mutation does: a patch, the item it makes and the verdict's result; or it throws a Rejection. */
const EFFECTS = {
  'session.start'(user, args, world) {
    if (user.state.session) throw new Rejection('session_already_active', { session: user.state.session });
    world.sessions += 1;
    const session = { id: `s${world.sessions}`, activity: args.activity, status: 'active', started_at: iso(world.now()), paused_s: 0, version: 1 };
    if (args.emoji) session.emoji = args.emoji;
    return { kind: 'session.started', patch: { session }, result: { session } };
  },
  'session.update': (user, { id, ...values }) => onSession(user, id, 'session.updated', values),
  'session.pause'(user, { id }, world) {
    const session = openSession(user, id);
    if (session.status !== 'active') throw new Rejection('session_not_active', { session });
    return onSession(user, id, 'session.paused', { status: 'paused', paused_at: iso(world.now()) });
  },
  'session.resume'(user, { id }, world) {
    const session = openSession(user, id);
    if (session.status !== 'paused') throw new Rejection('session_not_active', { session });
    const pausedS = (world.now() - Date.parse(session.paused_at)) / 1000;
    return onSession(user, id, 'session.resumed', { status: 'active', paused_at: null, paused_s: session.paused_s + pausedS });
  },
  'session.end'(user, { id }) {
    const session = openSession(user, id);
    return { kind: 'session.ended', patch: { session: null }, result: { session: { ...session, status: 'ended' } } };
  },
  'profile.update'(user, args) {
    if (args.name === 'Taken') throw new Rejection('name_taken', { profile: user.state.profile });
    const name = args.name?.normalize('NFC').trim().replace(/\s+/g, ' ');
    return onVersioned(user, 'profile', 'profile.changed', args.name === undefined ? args : { ...args, name });
  },
  'preferences.set': (user, args) => onVersioned(user, 'preferences', 'preferences.changed', args.values),
  'account.unlink'(user, { provider }) {
    const linked = Object.keys(user.state.accounts ?? {});
    if (!linked.includes(provider)) throw new Rejection('account_not_linked');
    if (linked.length === 1) throw new Rejection('last_provider');
    return { kind: 'account.unlinked', patch: { accounts: { [provider]: null } }, result: { account: { provider } } };
  },
  'favorite.add': (user, { emoji }) => onFavorites(user, 'favorite.added', (kept) => (kept.includes(emoji) ? kept : [...kept, emoji])),
  'favorite.remove': (user, { emoji }) => onFavorites(user, 'favorite.removed', (kept) => kept.filter((one) => one !== emoji)),
  'favorite.move': (user, { emoji, after }) =>
    onFavorites(user, 'favorite.moved', (kept) => {
      if (!kept.includes(emoji) || (after !== null && !kept.includes(after))) throw new Rejection('favorite_not_found', { favorites: kept });
      const rest = kept.filter((one) => one !== emoji);
      rest.splice(after === null ? 0 : rest.indexOf(after) + 1, 0, emoji);
      return rest;
    }),
  'emoji.use'(user, { emoji, count }) {
    const recent = [...new Set([emoji, ...(user.state.recent_emojis ?? [])])].slice(0, 32);
    return { kind: 'usage.counted', patch: { recent_emojis: recent }, result: { usage: { emoji, count } } };
  },
  'custom_emoji.delete': (user, { id }) => ({ ...onCustomEmoji(user, id), kind: 'custom_emoji.deleted', patch: { custom_emojis: { [id]: null } } }),
  'custom_emoji.review'(user, { id, approve }) {
    const { own } = onCustomEmoji(user, id);
    const patch = { custom_emojis: { [id]: { status: approve ? 'approved' : 'rejected', version: own.version + 1 } } };
    return { kind: 'custom_emoji.reviewed', patch };
  },
  'notification.read'(user, { ids, up_to }) {
    const shown = user.state.notifications.items;
    return onNotifications(user, 'notification.read', Object.keys(shown).filter((id) => (ids ?? [up_to]).some((one) => (ids ? id === one : id <= one)) && !shown[id].read), { read: true });
  },
  'notification.dismiss': (user, { id }) => onNotifications(user, 'notification.dismissed', [id], null),
  'push.subscribe': () => ({ kind: 'push.changed', result: { push: { subscriptions: 1 } } }),
  'push.unsubscribe': () => ({ kind: 'push.changed', result: { push: { subscriptions: 0 } } }),
  'reaction.send': (_user, { session, emoji }) => ({ kind: 'reaction.sent', result: { reaction: { session, emoji } } }),
};

function onFavorites(user, kind, order) {
  const kept = user.state.favorites ?? [];
  const favorites = order(kept);
  if (favorites.length > 200) throw new Rejection('favorites_full', { favorites: kept });
  return { kind, patch: { favorites }, result: { favorites } };
}

function onNotifications(user, kind, ids, value) {
  const { items } = user.state.notifications;
  if (ids.some((id) => !items[id])) throw new Rejection('notification_not_found');
  const unread = Object.values(items).filter(({ id, read }) => !read && !ids.includes(id)).length;
  return { kind, patch: { notifications: { unread_count: unread, items: Object.fromEntries(ids.map((id) => [id, value])) } }, result: { notifications: { unread_count: unread } } };
}

function onCustomEmoji(user, id) {
  const own = user.state.custom_emojis?.[id];
  if (!own) throw new Rejection('custom_emoji_not_found');
  return { own, result: { custom_emoji: { id } } };
}

function openSession(user, id) {
  const session = user.state.session;
  if (!session || session.id !== id) throw new Rejection('session_not_found', { session: session ?? null });
  return session;
}

function onSession(user, id, kind, values) {
  const session = openSession(user, id);
  const patch = { session: { ...values, version: session.version + 1 } };
  return { kind, patch, result: { session: merge(session, patch.session) } };
}

function onVersioned(user, key, kind, values) {
  const patch = { [key]: { ...values, version: user.state[key].version + 1 } };
  return { kind, patch, result: { [key]: merge(user.state[key], patch[key]) } };
}

export class World {
  epoch = 'e1';
  users = new Map();
  all = [];
  sessions = 0;
  /** How many next mutations end in a retryable error. */
  unavailable = 0;
  /** Entries before this one cannot be replayed any more. */
  keptFrom = 1;
  #listeners = new Set();

  constructor(now) {
    this.now = now;
  }

  addUser(id, name) {
    const state = { profile: { id, name, bio: '', roles: ['member'], version: 1 }, preferences: { theme: 'system', version: 1 } };
    this.users.set(id, { id, name, state, entries: [], verdicts: new Map(), effects: [] });
    return id;
  }

  user(id) {
    return this.users.get(id);
  }

  /** Calls back with every entry: `{userId or null for all, entry}`. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  cursor(userId) {
    return `${this.epoch}.${this.user(userId).entries.length}.${this.all.length}`;
  }

  snapshot(userId) {
    return { state: structuredClone(this.user(userId).state), cursor: this.cursor(userId) };
  }

  /** What follows a cursor: entries, or the reason why there are none. */
  since(userId, cursor) {
    const match = /^(\w+)\.(\d+)\.(\d+)$/.exec(cursor ?? '');
    const user = this.user(userId);
    if (!cursor) return { reason: 'new' };
    if (!match) return { reason: 'bad_cursor' };
    if (match[1] !== this.epoch) return { reason: 'epoch_changed' };
    const [userSeq, allSeq] = [Number(match[2]), Number(match[3])];
    if (userSeq > user.entries.length || allSeq > this.all.length) return { reason: 'bad_cursor' };
    if (userSeq + 1 < this.keptFrom) return { reason: 'expired' };
    return { entries: [...user.entries.slice(userSeq), ...this.all.slice(allSeq)] };
  }

  mutate(userId, { mid, name, args, if_version }) {
    const user = this.user(userId);
    const stored = user.verdicts.get(mid);
    const hash = JSON.stringify([name, args, if_version ?? null]);
    if (stored && stored.hash !== hash) return this.#refusal(mid, 'mid_reused');
    if (stored) return { type: 'verdict', ...stored.verdict, duplicate: true };
    if (this.unavailable > 0) {
      this.unavailable -= 1;
      return { type: 'error', mid, error: { code: 'unavailable', class: 'database', message: 'Later.', retryable: true, retry_after_ms: 200 } };
    }
    if (!Object.hasOwn(EFFECTS, name)) return this.#refusal(mid, 'unknown_mutation');
    const items = [];
    let verdict;
    try {
      const versioned = name.startsWith('session.') ? user.state.session : user.state[name.split('.')[0]];
      if (if_version !== undefined && versioned?.version !== if_version) throw new Rejection('conflict', user.state);
      const { kind, patch, result } = EFFECTS[name](user, args, this);
      items.push({ kind, patch });
      verdict = { mid, status: 'confirmed', result };
      user.effects.push({ mid, name, args });
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      verdict = { mid, status: 'rolled_back', error: this.#error(error.code), current: error.current };
    }
    items.push({ kind: 'verdict', ...verdict });
    const entry = this.append(userId, items);
    user.verdicts.set(mid, { hash, verdict: { ...verdict, seq: entry.seq } });
    return { type: 'entry', entry };
  }

  /** A committed transaction of anybody: patches applied, entry told to who listens. */
  append(userId, items) {
    const user = this.user(userId);
    for (const item of items) if (item.patch) user.state = merge(user.state, item.patch);
    const entry = { type: 'entry', stream: 'user', seq: user.entries.length + 1, at: iso(this.now()), items: structuredClone(items) };
    user.entries.push(entry);
    for (const listener of [...this.#listeners]) listener({ userId, entry });
    return entry;
  }

  announce(items) {
    const entry = { type: 'entry', stream: 'all', seq: this.all.length + 1, at: iso(this.now()), items };
    for (const user of this.users.values()) for (const item of items) if (item.patch) user.state = merge(user.state, item.patch);
    this.all.push(entry);
    for (const listener of [...this.#listeners]) listener({ userId: null, entry });
    return entry;
  }

  /** The log was restored: every cursor is void. */
  restart(epoch) {
    this.epoch = epoch;
    for (const user of this.users.values()) user.entries = [];
    this.all = [];
  }

  members() {
    return [...this.users.values()].filter((user) => user.state.session).map(({ id, name, state }) => ({ user: { id, name }, session: state.session }));
  }

  #refusal(mid, code) {
    return { type: 'verdict', mid, status: 'rolled_back', error: this.#error(code) };
  }

  #error(code) {
    return { code, class: 'business', severity: 'error', message: code, retryable: false, trace_id: 't' };
  }
}
