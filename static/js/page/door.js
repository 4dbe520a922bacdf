/**
 * The door: the ways in that this place offers, coming in, and leaving. The cookie is the browser's business alone.
 *
 * @typedef {{name: string, title: string}} Provider
 * @typedef {{ok: true, user: {id: number, name: string}} | {ok: false, why: 'refused' | 'unreachable'}} Entrance
 */
import { ask } from './requests.js';

/** What somebody had written before they went off to sign in. */
const DRAFT = 'idling.draft';

/** The ways in, asked for once and kept; asked again only when that failed. */
export class Ways {
  #changed;
  #isAsking = false;
  /** @type {Provider[]} */
  providers = [];
  /** Whether guests are let in. Until it is known, they are. */
  guest = true;
  /** @type {'unknown' | 'known' | 'failed'} */
  status = 'unknown';

  /** @param {() => void} changed */
  constructor(changed) {
    this.#changed = changed;
  }

  async load() {
    if (this.#isAsking || this.status === 'known') return;
    this.#isAsking = true;
    const answer = await ask('/auth/providers');
    this.#isAsking = false;
    this.status = answer.ok ? 'known' : 'failed';
    if (answer.ok) {
      this.providers = answer.body.providers;
      this.guest = answer.body.guest;
    }
    this.#changed();
  }

  /** @param {string} name  @returns {string} What people call it. */
  titleOf(name) {
    return this.providers.find((provider) => provider.name === name)?.title ?? name;
  }
}

/** What else of this place somebody may have been on their way to. */
const ELSEWHERE = ['/inspector', '/admin'];

/** @returns {string} Where somebody wanted to go who was sent to the door first. */
export function wanted() {
  const next = new URL(location.href).searchParams.get('next') ?? '/';
  return ELSEWHERE.includes(next) ? next : '/';
}

/** Where signing in begins: a link, because it leads away from here. @param {string} provider  @param {string} [next] */
export const wayIn = (provider, next = '/') => `/auth/login/${encodeURIComponent(provider)}?next=${encodeURIComponent(next)}`;

/** @returns {Promise<Entrance>} */
export async function enterAsGuest() {
  const answer = await ask('/auth/guest', { method: 'POST', json: {} });
  if (answer.ok) return { ok: true, user: answer.body.user };
  return { ok: false, why: answer.status === 403 ? 'refused' : 'unreachable' };
}

/** Ends this login. Without a line the server ends it by itself some day; the device forgets at once. */
export async function leave() {
  await ask('/auth/logout', { method: 'POST', json: {} });
}

/** Ends every login of this person. @returns {Promise<boolean>} Whether it was done. */
export async function leaveEverywhere() {
  return (await ask('/auth/logout-everywhere', { method: 'POST', json: {} })).ok;
}

/** Why a sign-in failed that just came back, once: the address line is tidy afterwards. @returns {string | null} */
export function takeLoginError() {
  const url = new URL(location.href);
  const code = url.searchParams.get('login_error');
  if (code === null) return null;
  url.searchParams.delete('login_error');
  history.replaceState(history.state, '', url);
  return code;
}

/** @param {string} text */
export function keepDraft(text) {
  try {
    if (text) sessionStorage.setItem(DRAFT, text);
  } catch {
    // Storage may be forbidden; then the words are typed again.
  }
}

/** @returns {string} */
export function takeDraft() {
  try {
    const text = sessionStorage.getItem(DRAFT) ?? '';
    sessionStorage.removeItem(DRAFT);
    return text;
  } catch {
    return '';
  }
}
