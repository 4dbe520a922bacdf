/**
 * The door: coming in, and what stands in the way.
 */
import { plural } from './plural.js';

export const entrance = {
  place: 'Idling',
  skip: 'Skip to the room',

  welcome: {
    title: 'A quiet place to do nothing in particular, together.',
    lead: 'Say what you are up to, see who else is around. You are in as a guest at once, no sign-up.',
    field: 'What are you doing right now?',
    hint: 'Waiting for the kettle, reading…',
    start: 'Start idling',
    starting: 'Opening the door…',
    refused: 'Guests are not admitted here just now.',
    unreachable: 'The place cannot be reached just now. Your words are kept; try again in a moment.',
    returning: (/** @type {number} */ count) =>
      `${plural(count, 'change has', 'changes have')} not been sent and ${count === 1 ? 'waits' : 'wait'} on this device for the same account.`,
    endedHere: 'This device was signed out: from another of your devices, or for everybody on this account.',
    endedItself: 'Your sign-in has ended. Sign in again to go on.',
    or: 'or come in with an account that stays yours',
    only: 'Come in with your account. It stays yours, on every device.',
    ways: 'Sign in',
    with: (/** @type {string} */ title) => `Go on with ${title}`,
    noWays: 'There is no way in just now: guests are not admitted, and no sign-in service is set up.',
  },

  /** Why a sign-in did not work, by code. */
  signIn: {
    login_failed: 'That sign-in did not work: it took too long, or was begun in another window. Nothing was changed. Please start it again.',
    provider_refused: 'The sign-in service said no, or you did. Nothing was changed.',
    provider_unavailable: 'The sign-in service does not answer just now. Nothing was changed. Try again in a moment, or another way in.',
    provider_wrong: 'The sign-in service answered something that cannot be used. Nothing was changed. Try another way in.',
    account_taken: 'That account already opens another account here. To use it, sign out and come in with it; or link another one.',
    provider_linked: 'You have linked another account of that service already. Unlink it first.',
    suspended: 'This account is suspended and may not come in.',
    forbidden: 'That has to be begun on this page. Please try it again from here.',
    rate_limited: 'That was too often in a short time. Wait a minute, then try again.',
    unavailable: 'Signing in is not possible just now. Nothing was changed. Try again in a moment.',
    other: 'That sign-in did not work. Nothing was changed. Please try again.',
  },
};
