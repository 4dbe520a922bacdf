/**
 * The person: account, devices, profile, preferences.
 */
import { plural } from './plural.js';

export const account = {
  roles: { guest: 'guest', member: 'member', moderator: 'moderator', admin: 'admin' },

  menu: {
    label: '(account, profile, preferences, sign out)',
    account: 'Account',
    profile: 'Profile',
    preferences: 'Preferences',
    inspector: 'Inspector: see the protocol at work',
    operations: 'Operations: how the place does',
    signOut: 'Sign out',
    leaveGuest: 'A guest account is gone once you sign out.',
    leaveWaiting: (/** @type {number} */ count) => `${plural(count, 'change has', 'changes have')} not been sent yet.`,
    everywhere: 'Every device of yours is signed out, this one too. Whoever else was signed in as you is out as well.',
    notEverywhere: 'That did not work just now: nobody was signed out. Try again in a moment.',
    keepGuest: 'Keep my account',
    leave: 'Sign out anyway',
    stay: 'Stay',
  },

  account: {
    heading: 'Account',
    back: 'Back to the room',
    whoAmI: 'Who I am here',
    edit: 'Change name and words',
    meanings: {
      guest: 'You are a guest: all of this is yours on this device only, until you sign out.',
      member: 'You can come back from any device, with the accounts linked here.',
      moderator: 'You help to keep this place in order.',
      admin: 'You run this place.',
    },
    keep: 'Keep what you have',
    keepHint: 'Sign in once, and your name, your sessions and your favourites stay yours: on every device, for as long as you like. If it opens an account here already, you go on as that one.',
    keepWith: (/** @type {string} */ title) => `Keep it with ${title}`,
  },

  linked: {
    heading: 'Linked accounts',
    none: 'Not linked',
    linked: (/** @type {string} */ name, /** @type {string} */ date) => (name ? `${name} · linked ${date}` : `Linked ${date}`),
    link: 'Link',
    unlink: 'Unlink',
    last: 'This is your only way back in, so it stays. Link another one first.',
    several: 'Each of these opens this account.',
    failed: 'What can be linked could not be fetched just now.',
  },

  devices: {
    heading: 'Devices signed in',
    current: 'this device',
    now: 'active now',
    seen: (/** @type {string} */ time) => `last seen ${time}`,
    by: (/** @type {string} */ title) => `by ${title}`,
    asGuest: 'as a guest',
    since: (/** @type {string} */ date) => `since ${date}`,
    ending: 'signing out…',
    ended: 'That device is signed out.',
    notEnded: 'That device could not be signed out just now. Try again in a moment.',
    failed: 'Your devices could not be fetched just now.',
    everywhere: 'Sign out everywhere',
  },

  profile: {
    heading: 'Profile',
    name: 'Name',
    nameHint: 'How others see you. 2 to 40 characters.',
    bio: 'A few words about you',
    left: (/** @type {number} */ count) => `${plural(count, 'character', 'characters')} left`,
    save: 'Save',
    close: 'Close',
    changedElsewhere: 'This was changed on another device while you were writing. Saving replaces it.',
  },

  preferences: {
    heading: 'Preferences',
    theme: 'Light or dark',
    themes: { system: 'Auto', light: 'Light', dark: 'Dark' },
    density: 'Spacing',
    densities: { cozy: 'Cozy', compact: 'Compact' },
    motion: 'Keep everything still',
    motionHint: 'No animations, whatever the device says.',
    close: 'Done',
    everywhere: 'These hold on all your devices.',
  },
};
