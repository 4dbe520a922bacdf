/**
 * Answers out of the cache, as their policy says; an old one is better than none when there is no line.
 *
 * @import {Policy} from './policy.js'
 */
import { isKeepable } from './policy.js';

export const ANSWERS = 'answers';

/**
 * @param {Request} request
 * @param {Readonly<Policy>} policy
 * @param {(work: Promise<unknown>) => void} later  Keeps the worker alive for what goes on after the answer.
 * @returns {Promise<Response>}
 */
export async function answerFromCache(request, policy, later) {
  const cache = await caches.open(ANSWERS);
  const kept = await cache.match(request);
  // Who asks for the newest gets what is kept only where there is no line.
  const ageS = kept && !['no-cache', 'reload', 'no-store'].includes(request.cache) ? ageOf(kept) : Infinity;
  if (kept && ageS <= policy.freshS) return kept;
  const fetched = fetchAndKeep(request, cache, policy, later);
  if (kept && policy.strategy === 'revalidate' && ageS <= policy.freshS + policy.staleS) {
    later(fetched.catch(() => undefined));
    return kept;
  }
  try {
    return await fetched;
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
}

/** @param {Request} request  @param {Cache} cache  @param {Readonly<Policy>} policy  @param {(work: Promise<unknown>) => void} later */
async function fetchAndKeep(request, cache, policy, later) {
  const response = await fetch(request);
  if (isKeepable(response)) later(keep(cache, request, response.clone(), policy));
  // What was public and is not any longer must not come back.
  else if (response.status !== 304 && response.ok) later(cache.delete(request));
  return response;
}

/** @param {Cache} cache  @param {Request} request  @param {Response} response  @param {Readonly<Policy>} policy */
async function keep(cache, request, response, { path, most }) {
  try {
    await cache.put(request, response);
    const same = (await cache.keys()).filter(({ url }) => path.test(new URL(url).pathname));
    // The cache lists them in the order in which they were put: the first are the oldest.
    for (const old of same.slice(0, Math.max(0, same.length - most))) await cache.delete(old);
  } catch {
    // No room: then it is asked for each time.
  }
}

/** @param {Response} response  @returns {number} Seconds; for ever when it does not say. */
function ageOf(response) {
  const at = Date.parse(response.headers.get('Date') ?? '');
  return Number.isNaN(at) ? Infinity : (Date.now() - at) / 1000;
}
