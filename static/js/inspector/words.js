/**
 * Every word of the inspector, in one place.
 */

/** @param {number} count  @param {string} one  @param {string} many */
const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

export const words = {
  title: 'Inspector',
  lead: 'The protocol idling.v1 as it is spoken between this browser and the server, on your own streams. Send something, break something, and see what was promised hold.',
  home: 'Back',
  skip: 'Skip to the frames',
  jump: 'On this page',

  status: {
    connecting: 'connecting',
    catching_up: 'catching up',
    live: 'live',
    offline: 'offline, by your wish',
    waiting: 'line lost, trying again',
    closed: 'closed',
  },
  closedFor: (/** @type {number} */ code, /** @type {string} */ reason) => `closed with ${code}${reason ? ` ${reason}` : ''}`,
  goOffline: 'Go offline',
  goOnline: 'Go online',
  reconnect: 'Connect again',
  queued: (/** @type {number} */ count) => `${plural(count, 'change waits', 'changes wait')} for the line`,

  frames: {
    heading: 'Frames',
    filterType: 'Type',
    all: 'All types',
    filterText: 'Holds the text',
    pause: 'Pause',
    resume: (/** @type {number} */ count) => (count ? `Go on (${count} waiting)` : 'Go on'),
    clear: 'Clear',
    copy: 'Copy what is shown',
    copyOne: 'Copy',
    copied: (/** @type {number} */ count) => `${plural(count, 'frame', 'frames')} copied.`,
    notCopied: 'The browser did not let it be copied.',
    empty: 'Nothing yet. What is sent and received shows here, the newest on top.',
    noMatch: 'No frame fits the filter.',
    count: (/** @type {number} */ shown, /** @type {number} */ kept) => (shown === kept ? plural(kept, 'frame', 'frames') : `${shown} of ${plural(kept, 'frame', 'frames')}`),
    out: 'sent',
    in: 'received',
    note: 'note',
    list: 'Frames, the newest first',
  },

  state: {
    heading: 'State and cursor',
    lead: 'What this page has made of it: the state of the welcome, patched by every item since.',
    cursor: 'Cursor',
    head: 'Head, as the last heartbeat or welcome said',
    connection: 'Connection',
    instance: 'Instance',
    state: 'State',
    none: 'not yet',
  },

  send: {
    heading: 'Send a change',
    mutation: 'Mutation',
    forbidden: (/** @type {string} */ name) => `${name} (not for your role)`,
    noArgs: 'It has no arguments.',
    leaveOut: 'left out',
    isNull: 'null',
    lines: 'One on each line.',
    mid: 'mid (a fresh one when empty)',
    ifVersion: 'if_version (any when empty)',
    over: 'Over',
    socket: 'the socket',
    rest: 'POST /api/mutations',
    submit: 'Send',
    sending: 'on its way…',
    queued: 'Kept: it is sent, under the same mid, when the line is back.',
    unreachable: 'The list of mutations could not be fetched. Reload the page to try again.',
  },

  raw: {
    heading: 'Send a raw frame',
    lead: 'Whatever you like, as it stands. The server answers mistakes with an error and keeps the line, up to a point.',
    label: 'Text of the frame',
    submit: 'Send as it is',
    noLine: 'There is no line to send it over.',
    sent: 'Sent. What the server said to it stands on top of the frames.',
  },

  trials: {
    heading: 'Try the promises',
    lead: 'Each does for real what it says, with a harmless change: it counts one use of 👀, or asks for what is refused.',
    run: 'Try it',
    running: 'Trying…',
    promise: 'Promised',
    kept: 'Kept.',
    broken: 'Not kept!',
    failed: 'This could not be tried to its end:',
    busy: 'One at a time: another is being tried.',
  },
};
