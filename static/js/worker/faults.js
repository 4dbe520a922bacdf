/**
 * Faults of the worker itself, told as those of the page are: which kind, in which module, on which line.
 *
 * A browser ends a worker whenever it has nothing to do, so one life of it has few reports. That there is no line is
 * no fault: what `fetch` says then is a TypeError, and who waits for the line says so by its own name.
 */
import { Faults, post } from '../page/faults.js';

const MAX_REPORTS = 3;
const NO_FAULTS = ['TypeError', 'NotSentError'];

/**
 * Watches the worker from now on.
 *
 * @param {ServiceWorkerGlobalScope} worker
 * @param {(body: string) => void} [send]
 * @returns {<T>(work: Promise<T>) => Promise<T>} Notes how work fails that an event waits for. Of some, as an answer
 *   to a page, some browsers tell by an event as well: then it is noted once.
 */
export function watchWorker(worker, send = post) {
  const later = (/** @type {() => void} */ run, /** @type {number} */ ms) => void setTimeout(run, ms);
  const faults = new Faults({ origin: worker.location.origin, send, later, most: MAX_REPORTS });
  /** @type {WeakSet<object>} */
  const noted = new WeakSet();
  const note = (/** @type {unknown} */ error) => {
    const { name } = /** @type {Error} */ (Object(error));
    if (NO_FAULTS.includes(name) || noted.has(Object(error))) return;
    noted.add(Object(error));
    faults.note(error);
  };
  worker.addEventListener('error', (event) => faults.note(event.error, { file: event.filename, line: event.lineno }));
  worker.addEventListener('unhandledrejection', ({ reason }) => note(reason));
  return async (work) => {
    try {
      return await work;
    } catch (error) {
      note(error);
      throw error;
    }
  };
}
