/**
 * Delivery: what the wire knows about a change. One table; nothing else changes the state.
 *
 * The one rule behind it: a change whose fate is unknown is in doubt, and in doubt means
 * asking again under the same `mid`. It is never assumed to have failed.
 *
 * @import {Change, Delivery} from './types.js'
 *
 * @typedef {'send' | 'doubt' | 'refuse' | 'confirm' | 'reject' | 'expire'} Signal
 */

/** @type {Readonly<Record<Delivery, Partial<Record<Signal, Delivery>>>>} */
export const DELIVERY = Object.freeze({
  queued: { send: 'sent', confirm: 'confirmed', reject: 'rolled_back', expire: 'expired' },
  // `refuse` is a retryable error: the server says that the `mid` was not consumed.
  sent: { doubt: 'in_doubt', refuse: 'queued', confirm: 'confirmed', reject: 'rolled_back' },
  // A refusal answers the latest attempt only. An earlier one may still be under way, so
  // the doubt stays until a verdict ends it.
  in_doubt: { send: 'in_doubt', refuse: 'in_doubt', confirm: 'confirmed', reject: 'rolled_back', expire: 'expired' },
  confirmed: {},
  rolled_back: {},
  expired: {},
});

/**
 * @param {Delivery} state
 * @param {Signal} signal
 * @returns {Delivery | null} Null where the signal changes nothing.
 */
export function nextDelivery(state, signal) {
  return DELIVERY[state][signal] ?? null;
}

/** @param {Change} change  @returns {boolean} Whether it still waits for its verdict. */
export function isPending(change) {
  return change.delivery === 'queued' || change.delivery === 'sent' || change.delivery === 'in_doubt';
}

/** @param {Change} change  @returns {boolean} Whether it ended in a way that a person has to know. */
export function isFailed(change) {
  return change.delivery === 'rolled_back' || change.delivery === 'expired';
}
