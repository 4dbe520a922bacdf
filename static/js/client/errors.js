/**
 * Errors that the client itself finds, in the one shape that the server's errors have, so
 * the page has one way to show them all.
 *
 * @import {WireError} from './types.js'
 */

/** @type {Readonly<Record<string, {class: string, message: string, retryable?: boolean}>>} */
const LOCAL = Object.freeze({
  invalid_arguments: { class: 'validation', message: 'Something in it cannot be as it is.' },
  too_large: { class: 'validation', message: 'This is too large to be sent.' },
  needs_earlier: { class: 'business', message: 'The change that this one builds on was not accepted.' },
  expired: { class: 'business', message: 'It waited too long to be sent safely.' },
  unreachable: { class: 'network', message: 'The server could not be reached.', retryable: true },
  timeout: { class: 'network', message: 'The server did not answer in time.', retryable: true },
  not_run: { class: 'system', message: 'An earlier change has to be repeated first.', retryable: true },
  unreadable: { class: 'network', message: 'The answer could not be understood.', retryable: true },
});

/**
 * @param {keyof typeof LOCAL & string} code
 * @param {Partial<WireError>} [more]
 * @returns {WireError}
 */
export function localError(code, more = {}) {
  const { retryable = false, ...facts } = LOCAL[code];
  return { code, severity: 'error', retryable, ...facts, ...more };
}
