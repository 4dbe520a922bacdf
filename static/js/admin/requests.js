/**
 * What the page asks the server for, and what went wrong in words for people.
 */
import { freshMid } from '../inspector/line.js';
import { words } from './words.js';

const ANSWER_MS = 15_000;

/** Something the server refused, or that it did not answer: `message` is for people. */
export class RefusedError extends Error {}

/**
 * @param {string} path
 * @param {{method?: string, body?: object}} [how]
 * @returns {Promise<any>}
 */
export async function ask(path, { method = 'GET', body } = {}) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body ? { 'Content-Type': 'application/json' } : {},
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  } catch {
    throw new RefusedError(words.noAnswer);
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new RefusedError(words.failed(complaint(answer)));
  return answer;
}

/** Asks for a change. @param {string} name  @param {object} args */
export async function change(name, args) {
  const mutations = [{ mid: freshMid(), name, args }];
  const { verdicts } = await ask('/api/mutations', { method: 'POST', body: { mutations } });
  if (verdicts[0].status !== 'confirmed') throw new RefusedError(words.failed(complaint(verdicts[0].error ?? {})));
  return verdicts[0].result;
}

/** @param {{message?: string, fields?: Record<string, string[]>}} error */
function complaint({ message = '', fields }) {
  const details = Object.entries(fields ?? {}).map(([name, texts]) => `${name}: ${texts.join(' ')}`);
  return [message, ...details].join(' ').trim();
}
