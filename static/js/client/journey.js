/**
 * The journey of one change through the person's eyes: the state diagram "Real-time Data
 * Synchronization" of the data-flow architecture, as one table.
 *
 * Delivery (`delivery.js`) is what the wire knows about a change; the journey is what
 * the person does. A change that shows at once goes by `OptimisticUpdate`. One that cannot
 * be predicted waits in `Processing` and then goes by `DatabaseWrite`: the server has
 * written it, our saved copy follows, then the page.
 *
 * @typedef {'Idle' | 'UserAction' | 'Validating' | 'Processing' | 'DatabaseWrite' | 'CacheUpdate' | 'UIUpdate'
 *   | 'Error' | 'ErrorDisplay' | 'OptimisticUpdate' | 'Rollback' | 'Confirmed'} Phase
 *
 * @typedef {'interact' | 'validate' | 'valid' | 'invalid' | 'written' | 'cached' | 'drawn' | 'refreshed' | 'refused'
 *   | 'show' | 'acknowledge' | 'predict' | 'reject' | 'accept' | 'revert' | 'settle'} Step
 *
 * @typedef {object} Transition
 * @property {Phase} from
 * @property {Step} step
 * @property {Phase} to
 * @property {string} why  The diagram's own words.
 */

/** @type {ReadonlyArray<Readonly<Transition>>} */
export const JOURNEY = Object.freeze([
  { from: 'Idle', step: 'interact', to: 'UserAction', why: 'User Interaction' },
  { from: 'UserAction', step: 'validate', to: 'Validating', why: 'Validate Input' },
  { from: 'Validating', step: 'valid', to: 'Processing', why: 'Valid Data' },
  { from: 'Validating', step: 'invalid', to: 'Error', why: 'Invalid Data' },
  { from: 'Processing', step: 'written', to: 'DatabaseWrite', why: 'Business Logic' },
  { from: 'DatabaseWrite', step: 'cached', to: 'CacheUpdate', why: 'Data Persisted' },
  { from: 'CacheUpdate', step: 'drawn', to: 'UIUpdate', why: 'Cache Updated' },
  { from: 'UIUpdate', step: 'refreshed', to: 'Idle', why: 'UI Refreshed' },
  { from: 'Error', step: 'show', to: 'ErrorDisplay', why: 'Show Error' },
  { from: 'ErrorDisplay', step: 'acknowledge', to: 'Idle', why: 'User Acknowledged' },
  { from: 'Processing', step: 'predict', to: 'OptimisticUpdate', why: 'Optimistic UI' },
  { from: 'OptimisticUpdate', step: 'reject', to: 'Rollback', why: 'Server Error' },
  { from: 'OptimisticUpdate', step: 'accept', to: 'Confirmed', why: 'Server Success' },
  { from: 'Rollback', step: 'revert', to: 'ErrorDisplay', why: 'Revert Changes' },
  { from: 'Confirmed', step: 'settle', to: 'Idle', why: 'Changes Applied' },
  // The diagram does not say what becomes of a change that was refused before it was shown.
  { from: 'Processing', step: 'refused', to: 'Error', why: 'Refused before it was shown' },
]);

/**
 * @param {Phase} from
 * @param {Step} step
 * @returns {Phase | null} Null where the table has no such way.
 */
export function nextPhase(from, step) {
  return JOURNEY.find((row) => row.from === from && row.step === step)?.to ?? null;
}

/**
 * The steps that lead from a new change to where it waits for the server, or for the person.
 *
 * @param {{valid: boolean, predicted: boolean}} facts
 * @returns {Step[]}
 */
export function stepsOfBeginning({ valid, predicted }) {
  if (!valid) return ['interact', 'validate', 'invalid', 'show'];
  return predicted ? ['interact', 'validate', 'valid', 'predict'] : ['interact', 'validate', 'valid'];
}

/**
 * The steps that a verdict leads through.
 *
 * @param {Phase} phase
 * @param {boolean} confirmed
 * @returns {Step[]}
 */
export function stepsOfVerdict(phase, confirmed) {
  if (phase === 'OptimisticUpdate') return confirmed ? ['accept'] : ['reject', 'revert'];
  if (phase === 'Processing') return confirmed ? ['written'] : ['refused', 'show'];
  return [];
}

/**
 * The steps from a confirmed change to its end, once its effects are in the saved copy.
 *
 * @param {Phase} phase
 * @returns {Step[]}
 */
export function stepsOfApplying(phase) {
  if (phase === 'Confirmed') return ['settle'];
  return phase === 'DatabaseWrite' ? ['cached', 'drawn', 'refreshed'] : [];
}
