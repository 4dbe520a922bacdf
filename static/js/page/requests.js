/**
 * Questions to the server that are not changes: asked with a deadline, answered always.
 *
 * @import {Json} from '../client/types.js'
 *
 * @typedef {{ok: true, status: number, body: Json}} Answered
 * @typedef {{ok: false, status: number, code: string, message: string, fields?: Record<string, string[]>}} Refused
 *   `status` is 0, and `code` `unreachable`, when there was no answer.
 */
const TIMEOUT_MS = 10_000;

/**
 * @param {string} path
 * @param {{method?: string, json?: Json, form?: FormData, headers?: Record<string, string>, cache?: RequestCache, signal?: AbortSignal, timeoutMs?: number}} [how]
 * @returns {Promise<Answered | Refused>}
 */
export async function ask(path, { method = 'GET', json, form, headers = {}, cache, signal, timeoutMs = TIMEOUT_MS } = {}) {
  const abort = new AbortController();
  const end = () => abort.abort();
  signal?.addEventListener('abort', end, { once: true });
  const timer = setTimeout(end, timeoutMs);
  try {
    const response = await fetch(path, {
      method,
      headers: { Accept: 'application/json', ...(json ? { 'Content-Type': 'application/json' } : {}), ...headers },
      body: form ?? (json && JSON.stringify(json)),
      cache,
      signal: abort.signal,
    });
    const body = await response.json().catch(() => null);
    if (response.ok && body) return { ok: true, status: response.status, body };
    const { code = 'unreadable', message = '', fields } = body ?? {};
    return { ok: false, status: response.status, code, message, fields };
  } catch {
    return { ok: false, status: 0, code: 'unreachable', message: '' };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  }
}
