/**
 * JSON as people read it, and one line of what a frame says.
 *
 * @import {Json, Seen} from './line.js'
 */

/** @param {unknown} value */
export const pretty = (value) => JSON.stringify(value, null, 2);

/** What to file it under. @param {Seen} seen  @returns {string} */
export function typeOf({ way, frame }) {
  if (way === 'note') return 'note';
  return typeof frame?.type === 'string' ? frame.type.slice(0, 40) : 'no frame';
}

/** @param {Seen} seen  @returns {string} */
export function gistOf({ text, frame }) {
  if (!frame) return text.slice(0, 120);
  const items = Array.isArray(frame.items) ? frame.items : [];
  const parts = [
    frame.stream && `${frame.stream} ${frame.seq}`,
    frame.name,
    frame.status,
    frame.error?.code,
    ...items.map((item) => (item?.kind === 'verdict' ? `${item.status}${item.error ? ` (${item.error.code})` : ''}` : item?.kind)),
    ...(frame.mutations ?? []).map((/** @type {Json} */ one) => one?.name),
    ...(frame.verdicts ?? []).map((/** @type {Json} */ one) => one?.status),
    frame.topic,
    frame.duplicate && 'duplicate',
    frame.type === 'welcome' && (frame.resumed ? 'resumed' : `fresh state (${frame.reason})`),
    ['hello', 'resume', 'ack', 'heartbeat', 'welcome'].includes(frame.type) && frame.cursor,
    frame.code,
  ];
  return parts.filter(Boolean).map(String).join(' · ').slice(0, 200);
}
