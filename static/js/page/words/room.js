/**
 * The room: one's own session, the others, and reactions between them.
 */
import { plural } from './plural.js';

export const room = {
  me: 'Me',

  session: {
    none: 'You are not idling yet.',
    field: 'What are you doing?',
    start: 'Start idling',
    save: 'Save',
    cancel: 'Cancel',
    edit: 'Change what you are doing',
    pause: 'Pause',
    resume: 'Go on',
    end: 'End',
    paused: 'paused',
    pausedFor: (/** @type {string} */ time) => `Paused for ${time}`,
    since: (/** @type {string} */ time) => `since ${time}`,
    clock: (/** @type {string} */ time) => `Idling for ${time}`,
    ideas: 'Ideas',
    timedOut: 'Your session ended by itself: nothing was heard of you for a while.',
  },
  ideas: ['Drinking tea', 'Reading', 'Staring out of the window', 'Listening to the rain', 'Petting the cat'],

  history: {
    heading: 'Earlier',
    none: 'What you did before will be listed here.',
    failed: 'Your earlier sessions could not be fetched just now.',
  },

  room: {
    heading: 'The room',
    count: (/** @type {number} */ count) => plural(count, 'person idling', 'people idling'),
    empty: 'Nobody is idling just now.',
    emptyHint: 'A quiet room is a good place to begin.',
    begin: 'Be the first',
    onlyYou: 'You have the room to yourself. Others drift in.',
    you: 'you',
    paused: 'paused',
    started: 'now',
    more: (/** @type {number} */ count) => `Show ${count} more`,
    loading: 'Looking who is here…',
    unseen: 'Who is here shows as soon as the line is up.',
    stale: 'As it was when the line was last up.',
  },

  reactions: {
    to: (/** @type {string} */ name) => `React to ${name}`,
    sent: (/** @type {string} */ emoji, /** @type {string} */ name) => `${emoji} sent to ${name}`,
    received: (/** @type {string} */ name, /** @type {string} */ emoji) => `${name} sent you ${emoji}`,
  },
  tabs: { room: 'Room', me: 'Me', bell: 'Bell', more: 'More' },
};
