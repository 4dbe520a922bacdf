/**
 * The line: how it is, what that means, and a newer version of the page.
 */
import { plural } from './plural.js';

export const line = {
  connection: {
    live: {
      chip: 'live',
      title: 'The line is live',
      body: 'What you do and what others do shows at once, on every device you have open.',
    },
    connecting: {
      chip: 'connecting',
      title: 'Getting a line',
      body: 'This takes a moment. You can go on meanwhile: what you do is kept here and sent when the line is up.',
    },
    catching_up: {
      chip: 'catching up',
      title: 'Catching up',
      body: 'The line is back, and what happened meanwhile is coming in.',
    },
    limited: {
      chip: 'limited',
      title: 'Limited: no live link',
      body: 'Something between here and the server does not let a live link through, so we check every few seconds. Everything works, a little later. A live link is tried again by itself.',
    },
    offline: {
      chip: (/** @type {number} */ waiting) => (waiting ? `offline, ${plural(waiting, 'change', 'changes')} waiting` : 'offline'),
      title: 'Offline',
      body: 'The server cannot be reached. Go on as you like: what you do is kept on this device, also when you close the page, and sent once.',
    },
    busy: {
      chip: (/** @type {number} */ seconds) => (seconds > 0 ? `server busy, back in ${seconds} s` : 'server busy'),
      title: 'The server is busy',
      body: 'It asked us to come back a little later. Nothing is lost meanwhile.',
    },
    signed_out: {
      chip: 'signed out',
      title: 'You are signed out',
      body: 'Sign in again to go on. What was not sent stays on this device.',
    },
    suspended: {
      chip: 'not admitted',
      title: 'This account may not come in',
      body: 'The account is suspended, or may not be used from here. What you see is from before.',
    },
    too_many: {
      chip: 'open elsewhere',
      title: 'Open in too many places',
      body: 'This account is open in more tabs or devices than are allowed. Close one of them, then try again.',
    },
    refused: {
      chip: 'reload needed',
      title: 'This page is out of date',
      body: 'The server does not understand this page any more. Reload it; what was not sent stays.',
    },
    /** What goes on although something does not, by what does not: beside `live` and `limited`. */
    lacking: {
      saving: {
        chip: 'live, but not saving just now',
        title: 'Changes cannot be saved just now',
        body: 'The server cannot reach where it keeps things. Go on as you like: what you do is kept on this device and sent, once, as soon as it can be. What you see may be a little old.',
      },
      prompt: {
        chip: 'live, a little behind',
        title: 'A little behind',
        body: 'Everything works. What happens elsewhere may show two seconds later than usual.',
      },
      uploads: {
        chip: 'live, no pictures just now',
        title: 'No pictures just now',
        body: 'Everything works, but the server has no room for new pictures. They can be sent again later.',
      },
    },
    stopped: { chip: 'stopped', title: 'Stopped', body: 'The line is closed.' },
    waiting: (/** @type {number} */ count) => `${plural(count, 'change', 'changes')} not confirmed yet.`,
    next: (/** @type {number} */ seconds) => `Next try in ${seconds} s.`,
    tryNow: 'Try now',
    reload: 'Reload',
    signIn: 'Sign in again',
    label: (/** @type {string} */ text) => `Connection: ${text}`,
  },

  update: {
    ready: 'A newer version is ready.',
    reload: 'Change to it',
    later: 'Later',
  },
};
