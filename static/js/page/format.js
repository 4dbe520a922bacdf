/**
 * Times and durations as people say them, and the running clock.
 *
 * @import {Session} from '../client/types.js'
 */

const clockTime = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const dayTime = new Intl.DateTimeFormat(undefined, { weekday: 'short', hour: '2-digit', minute: '2-digit' });

/**
 * How long a session has run, without its pauses.
 *
 * @param {Session} session
 * @param {number} now  The server's time (ms).
 * @returns {number} Seconds, never less than 0.
 */
export function ranFor(session, now) {
  const until = session.paused_at ? Date.parse(session.paused_at) : now;
  return Math.max(0, Math.floor((until - Date.parse(session.started_at)) / 1000 - session.paused_s));
}

/** @param {number} seconds  @returns {string} `4:07` or `1:04:07`. */
export function asClock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (/** @type {number} */ value) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

/** @param {number} seconds  @returns {string} `a moment`, `12 min`, `1 h 5 min`, `3 days`. */
export function asWords(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return 'a moment';
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return days === 1 ? '1 day' : `${days} days`;
}

/**
 * @param {string | number} moment  RFC 3339 or ms.
 * @param {number} now  Ms.
 * @returns {string} `14:02`, or with the weekday when it was on another day.
 */
export function asTime(moment, now) {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return '';
  return date.toDateString() === new Date(now).toDateString() ? clockTime.format(date) : dayTime.format(date);
}

/** @param {string} moment  RFC 3339.  @returns {string} `14 Mar 2026`. */
export function asDate(moment) {
  const date = new Date(moment);
  return Number.isNaN(date.getTime()) ? '' : day.format(date);
}

/** @param {string} name  @returns {string} One or two letters for a person. */
export function initials(name) {
  const letters = name
    .split(/\s+/)
    .filter((word) => /^\p{Letter}/u.test(word))
    .map((word) => [...word][0]);
  return (letters.slice(0, 2).join('') || [...name.trim()][0] || '?').toLocaleUpperCase();
}
