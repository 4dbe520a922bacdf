/**
 * Notifications: what happened while somebody looked elsewhere, and how they may be told of it while they are away.
 */

export const notifications = {
  notifications: {
    heading: 'Notifications',
    unread: (/** @type {number} */ count) => `${count} unread`,
    isNew: 'New: ',
    none: 'Nothing yet. When somebody waves at you, or something needs you, it shows here.',
    unseen: 'What was sent to you shows as soon as the line is up.',
    readAll: 'Mark all read',
    dismiss: (/** @type {string} */ title) => `Dismiss: ${title}`,
    dismissed: 'Dismissed.',
    more: (/** @type {number} */ count) => `Show ${count} older`,
    title: (/** @type {number} */ count, /** @type {string} */ place) => (count ? `(${count}) ${place}` : place),
    tab: (/** @type {number} */ count) => `(${count} unread)`,
    arrived: (/** @type {string} */ title) => `Notification: ${title}`,

    announcements: 'Announcements',
    announced: (/** @type {string} */ title) => `Announcement: ${title}`,
    levels: { info: 'For your information', success: 'Good news', warning: 'Please note', error: 'Important' },

    /** What happened, by kind; a kind that is not known here is told in the words it came with. */
    kinds: {
      reaction: (/** @type {string} */ name) => `${name} sent you this.`,
      timedOut: (/** @type {string} */ activity) => `“${activity}” ended by itself.`,
      timedOutBody: (/** @type {string} */ time) => `Nothing was heard of you for a while, so it was closed after ${time}.`,
      emojiApproved: (/** @type {string} */ name) => `Your emoji “${name}” can be used by everybody now.`,
      emojiDeclined: (/** @type {string} */ name) => `Your emoji “${name}” was declined.`,
      emojiDeclinedBody: 'You can still see it, nobody else can.',
      signedIn: (/** @type {string} */ device) => `${device} signed in to your account.`,
      signedInBody: 'If that was not you, sign that device out.',
      ended: (/** @type {string} */ device) => `${device} was signed out for safety.`,
      endedBody: 'Its key was used a second time, which happens when it was copied. If that device is yours, sign in on it again.',
      suspended: (/** @type {string} */ time) => `Your account was suspended until ${time}.`,
      rolledBack: (/** @type {string} */ what) => `Sent while you were away, and not accepted: “${what}”`,
    },
    actions: { again: 'Go on with it', emoji: 'Your emoji', devices: 'Your devices', wave: 'Send one back' },
  },

  push: {
    label: 'Tell me when I am away',
    hint: 'When no page of this place is open, this device shows a short note.',
    states: {
      off: 'Off on this device.',
      on: 'On: this device is told.',
      working: 'One moment…',
      asking: 'Your browser asks you now whether it may.',
      unsupported: 'This browser cannot do that, or not in this kind of window.',
      install: 'On this device it works once the page is on the home screen: use “Share”, then “Add to Home Screen”.',
      blocked: 'Blocked in this browser. To allow it, open the page’s settings beside the address (the lock or the sliders), set “Notifications” to “Allow”, then come back here.',
      unavailable: 'This place does not send such notes.',
      failed: 'That did not work just now, so it is off. Nothing else has changed; try it again in a moment.',
      noService: 'Your browser could not reach its push service, so it is off. Some browsers have none; try it again in a moment.',
      refused: 'This browser’s push service is not one that this place sends to, so it is off.',
      offline: 'This needs the line. Try it again when it is up.',
    },
  },

  /** What the device shows by itself; the whole is read on the page. */
  pushed: { other: 'Something happened.' },
};
