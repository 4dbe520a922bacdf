/**
 * HTTP with a deadline: a request ends in an answer, in a problem that the server explained, or in a loss.
 *
 * @import {Auth, Environment, Json, Loss, WireError} from './types.js'
 *
 * @typedef {object} Request
 * @property {'GET' | 'POST'} [method]
 * @property {Json} [body]
 * @property {Record<string, string>} [headers]
 * @property {number} [timeoutMs]  Until the head of the answer is there.
 * @property {AbortSignal} [signal]
 * @property {(headers: Headers) => void} [answered]  Hears the head of an answer of 2xx.
 */
import { localError } from './errors.js';
import { isObject } from './merge-patch.js';

const TIMEOUT_MS = 10_000;

/** An answer other than 2xx, or none at all. */
export class HttpError extends Error {
  /**
   * @param {number} status  0 when there was no answer.
   * @param {WireError} error
   */
  constructor(status, error) {
    super(error.message);
    this.name = 'HttpError';
    this.status = status;
    this.error = error;
  }

  /** What this means for the link on which it happened. @returns {Loss} */
  get loss() {
    const { code: reason, retry_after_ms: retryMs } = this.error;
    if (this.status === 0) return { kind: 'unreachable', reason };
    if (this.status === 401) return { kind: 'auth', reason };
    if (this.status === 403) return { kind: 'stop', code: 4003, reason };
    // A proxy's own error page says nothing of how the server is: try another way to it.
    const isOurs = reason !== 'unreadable';
    if (this.status === 429 || (this.status >= 500 && isOurs)) return { kind: 'busy', code: this.status, reason, retryMs };
    return { kind: 'broken', code: this.status, reason };
  }
}

export class Http {
  #env;
  #origin;
  #auth;

  /**
   * @param {Environment} env
   * @param {string} origin
   * @param {Auth | null} auth  Null where the cookie says who it is.
   */
  constructor(env, origin, auth) {
    this.#env = env;
    this.#origin = origin;
    this.#auth = auth;
  }

  /**
   * @param {string} path
   * @param {Request} [request]
   * @returns {Promise<Response>} Always 2xx.
   * @throws {HttpError}
   */
  async request(path, { method = 'GET', body, headers = {}, timeoutMs = TIMEOUT_MS, signal } = {}) {
    const abort = new AbortController();
    const forward = () => abort.abort();
    signal?.addEventListener('abort', forward);
    const timer = this.#env.clock.setTimeout(forward, timeoutMs);
    const token = await this.#auth?.token(false);
    let response;
    try {
      response = await this.#env.fetch(`${this.#origin}${path}`, {
        method,
        headers: {
          Accept: 'application/json',
          ...(body ? { 'Content-Type': 'application/json' } : {}),
          ...(token ? { Authorization: `Bearer ${token}` } : {}),
          ...headers,
        },
        body: body && JSON.stringify(body),
        credentials: 'same-origin',
        cache: 'no-store',
        signal: abort.signal,
      });
    } catch {
      throw new HttpError(0, localError(abort.signal.aborted && !signal?.aborted ? 'timeout' : 'unreachable'));
    } finally {
      this.#env.clock.clearTimeout(timer);
    }
    if (!response.ok) throw new HttpError(response.status, await problemOf(response));
    return response;
  }

  /**
   * @param {string} path
   * @param {Request} [request]
   * @returns {Promise<Json>} The answer's JSON object; an empty one for 204.
   * @throws {HttpError}
   */
  async json(path, request) {
    const response = await this.request(path, request);
    request?.answered?.(response.headers);
    if (response.status === 204) return {};
    const value = await readJson(response);
    if (!isObject(value)) throw new HttpError(0, localError('unreadable'));
    return value;
  }
}

/** @param {Response} response  @returns {Promise<WireError>} */
async function problemOf(response) {
  const value = await readJson(response);
  const after = Number(response.headers.get('Retry-After'));
  const retry = after > 0 ? { retry_after_ms: after * 1000 } : {};
  if (isObject(value) && typeof value.code === 'string') return { ...retry, .../** @type {WireError} */ (value) };
  // A proxy answered instead of the server.
  return { code: 'unreadable', class: 'network', message: `HTTP ${response.status}`, retryable: response.status >= 500, ...retry };
}

/** @param {Response} response */
async function readJson(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}
