/**
 * What the service worker may keep: the browser's column of the caching policy, as one table.
 *
 * An address that is not in it is left alone altogether; so is every request that is not a
 * plain GET of this origin or asks for a stream. And whatever the table says, an answer is
 * kept only if the server called it public (`isKeepable`): the table can be wrong, and what
 * is personal must still not be kept.
 *
 * @import {Shell} from './shell.js'
 *
 * @typedef {'shell' | 'cache_first' | 'revalidate'} Strategy
 *
 * @typedef {object} Policy
 * @property {string} data
 * @property {RegExp} path
 * @property {Strategy} strategy
 * @property {number} freshS  This long it is answered without asking.
 * @property {number} staleS  This long after that it is answered while the new one is fetched.
 * @property {number} most  How many are kept.
 */

const HOUR = 3600;
const DAY = 24 * HOUR;

/** @type {ReadonlyArray<Readonly<Policy>>} */
export const POLICIES = Object.freeze([
  { data: 'emoji catalogue, categories', path: /^\/api\/emojis\/categories(\/[^/]+)?$/, strategy: 'revalidate', freshS: HOUR, staleS: DAY, most: 40 },
  { data: 'search', path: /^\/api\/emojis\/search$/, strategy: 'cache_first', freshS: 60, staleS: 0, most: 100 },
  { data: 'popular emoji', path: /^\/api\/emojis\/popular$/, strategy: 'cache_first', freshS: 60, staleS: 0, most: 5 },
  { data: 'files named by their content', path: /^\/files\/[^/]+$/, strategy: 'cache_first', freshS: Infinity, staleS: 0, most: 300 },
]);

/** @type {Readonly<Policy>} */
const SHELL = Object.freeze({ data: 'the page itself', path: /^/, strategy: 'shell', freshS: Infinity, staleS: 0, most: Infinity });

/**
 * @param {Pick<Request, 'method' | 'url' | 'mode' | 'headers'>} request
 * @param {string} origin
 * @param {Shell} shell
 * @returns {Readonly<Policy> | null} Null for everything that is to be left alone.
 */
export function policyOf(request, origin, shell) {
  const { pathname, origin: theirs } = new URL(request.url);
  if (request.method !== 'GET' || theirs !== origin) return null;
  if (request.headers.has('Authorization') || request.headers.has('Range')) return null;
  if (request.headers.get('Accept')?.includes('text/event-stream')) return null;
  if (request.mode === 'navigate') return shell.pages.some(([path]) => path === pathname) ? SHELL : null;
  if (shell.files.some(([path]) => path === pathname)) return SHELL;
  return POLICIES.find(({ path }) => path.test(pathname)) ?? null;
}

/** @param {Pick<Response, 'status' | 'type' | 'headers'>} response  @returns {boolean} Whether it may be kept. */
export function isKeepable({ status, type, headers }) {
  const words = (headers.get('Cache-Control') ?? '').toLowerCase().split(',').map((word) => word.trim().split('=')[0]);
  const isPublic = words.includes('public') && !words.includes('no-store') && !words.includes('private');
  return status === 200 && type === 'basic' && isPublic && !headers.get('Content-Type')?.startsWith('text/event-stream');
}
