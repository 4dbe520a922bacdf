/**
 * A client of the protocol that hides nothing: one socket, every frame handed on as it came.
 *
 * It does what the contract asks of any client and no more, so it can be read beside it: say
 * hello, patch the state with what is new, drop what is known, answer heartbeats, come back by
 * the cursor. Where the page's own client repairs things quietly, this one lets them be seen.
 *
 * @import {Cursor} from '../client/cursor.js'
 *
 * @typedef {Record<string, any>} Json
 * @typedef {'connecting' | 'catching_up' | 'live' | 'offline' | 'waiting' | 'closed'} Status
 *
 * @typedef {object} Seen
 * @property {'out' | 'in' | 'note'} way
 * @property {string} text  As it went over the line.
 * @property {Json | null} frame  What it holds, if it is JSON.
 * @property {'socket' | 'rest'} over
 */
import { lossOf } from '../client/close-codes.js';
import { formatCursor, isBehind, parseCursor } from '../client/cursor.js';
import { uuid7 } from '../client/ids.js';
import { applyPatch } from '../client/merge-patch.js';

const ANSWER_MS = 15_000;
const MOST_WAIT_MS = 60_000;
const CLIENT = 'idling-inspector';

export class NoAnswerError extends Error {}

export class Line {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Cursor | null} */
  #position = null;
  /** @type {Cursor | null} */
  #head = null;
  #retries = 0;
  #beat = 0;
  #retry = 0;
  #isHolding = false;
  /** @type {Set<{fits: (frame: Json) => boolean, settle: (frame: Json | Error) => void}>} */
  #waiting = new Set();
  /** @type {Json[]} Changes made without a line. */
  queue = [];
  /** @type {Status} */
  status = 'connecting';
  /** @type {{code: number, reason: string} | null} */
  closed = null;
  /** @type {Json} */
  state = {};
  /** @type {Json | null} */
  welcome = null;

  /** @param {{seen: (seen: Seen) => void, changed: () => void}} listener */
  constructor(listener) {
    this.#listener = listener;
  }

  #listener;

  get cursor() {
    return this.#position && formatCursor(this.#position);
  }

  get head() {
    return this.#head && formatCursor(this.#head);
  }

  /** Opens the socket and says hello, from the cursor if there is one. */
  open() {
    clearTimeout(this.#retry);
    this.#drop();
    this.closed = null;
    this.#become('connecting');
    const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/ws`, ['idling.v1']);
    this.#socket = socket;
    socket.onopen = () => this.send({ type: 'hello', client: { id: CLIENT, name: CLIENT, version: '1' }, ...(this.cursor ? { cursor: this.cursor } : {}) });
    socket.onmessage = ({ data }) => this.#take(String(data));
    socket.onclose = ({ code, reason }) => this.#lost(socket, code, reason);
  }

  /** Ends the line without a word, as when a train enters a tunnel, and stays away. */
  goOffline() {
    clearTimeout(this.#retry);
    this.#drop();
    this.#note('The line was cut here.');
    this.#become('offline');
  }

  /** @param {Json} frame */
  send(frame) {
    this.sendText(JSON.stringify(frame), frame);
  }

  /** @param {string} text  @param {Json | null} [frame]  @returns {boolean} Whether there was a line. */
  sendText(text, frame = parsed(text)) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(text);
    this.#listener.seen({ way: 'out', text, frame, over: 'socket' });
    return true;
  }

  /**
   * Asks for a change and returns its verdict: that of its entry, with its `seq`, or one outside the stream.
   *
   * @param {Json} mutation  Without a `mid` it gets a fresh one.
   * @returns {Promise<Json>}
   */
  async mutate(mutation) {
    const asked = { mid: freshMid(), ...mutation };
    if (!this.sendText(JSON.stringify({ type: 'mutate', ...asked }))) throw new NoAnswerError('there is no line');
    return /** @type {Json} */ (verdictIn(await this.expect((frame) => verdictIn(frame, asked.mid) !== null), asked.mid));
  }

  /** Keeps a change until the line is back. @param {Json} mutation  @returns {Promise<Json>} */
  async mutateLater(mutation) {
    const asked = { mid: freshMid(), ...mutation };
    this.queue.push(asked);
    this.#listener.changed();
    return /** @type {Json} */ (verdictIn(await this.expect((frame) => verdictIn(frame, asked.mid) !== null, Infinity), asked.mid));
  }

  /** Asks for changes over REST, which needs no line of this page's. @param {Json[]} mutations  @returns {Promise<Json[]>} */
  async post(mutations) {
    const body = { mutations: mutations.map((mutation) => ({ mid: freshMid(), ...mutation })) };
    this.#listener.seen({ way: 'out', text: JSON.stringify(body), frame: { type: 'POST /api/mutations', ...body }, over: 'rest' });
    const response = await fetch('/api/mutations', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const text = await response.text();
    const answer = parsed(text);
    this.#listener.seen({ way: 'in', text, frame: answer && { type: `HTTP ${response.status}`, ...answer }, over: 'rest' });
    if (!response.ok || !answer) throw new NoAnswerError(`the server answered ${response.status} ${answer?.code ?? ''}`);
    return answer.verdicts;
  }

  /**
   * The next frame that fits.
   *
   * @param {(frame: Json) => boolean} fits
   * @param {number} [ms]
   * @returns {Promise<Json>}
   */
  expect(fits, ms = ANSWER_MS) {
    return new Promise((resolve, reject) => {
      const waiter = {
        fits,
        settle: (/** @type {Json | Error} */ result) => {
          clearTimeout(timer);
          this.#waiting.delete(waiter);
          if (result instanceof Error) reject(result);
          else resolve(result);
        },
      };
      const timer = ms === Infinity ? 0 : setTimeout(() => waiter.settle(new NoAnswerError('no answer came in time')), ms);
      this.#waiting.add(waiter);
    });
  }

  /** Waits until everything up to the head is applied. */
  async live() {
    while (this.status !== 'live') await this.expect(() => true);
  }

  /** Lets entries lie, as a page that hangs does; letting go asks for them again. @param {boolean} isHolding */
  hold(isHolding) {
    this.#isHolding = isHolding;
    this.#note(isHolding ? 'Entries are left lying from here on.' : 'Entries are applied again.');
    if (!isHolding && this.cursor) this.send({ type: 'resume', cursor: this.cursor });
  }

  /** @param {string} text */
  #take(text) {
    for (const line of text.split('\n')) {
      const frame = parsed(line);
      this.#listener.seen({ way: 'in', text: line, frame, over: 'socket' });
      if (frame) this.#heed(frame);
    }
    this.#listener.changed();
  }

  /** @param {Json} frame */
  #heed(frame) {
    if (frame.type === 'welcome') this.#enter(frame);
    else if (frame.type === 'entry' && !this.#isHolding) this.#apply(frame);
    else if (frame.type === 'heartbeat') this.#head = parseCursor(frame.cursor);
    else if (frame.type === 'bye') this.closed = { code: frame.code, reason: frame.reason };
    if (['connecting', 'catching_up', 'live'].includes(this.status) && this.#position && this.#head) {
      this.#become(isBehind(this.#position, this.#head) ? 'catching_up' : 'live');
    }
    for (const waiter of [...this.#waiting]) if (waiter.fits(frame)) waiter.settle(frame);
  }

  /** @param {Json} welcome */
  #enter(welcome) {
    this.welcome = welcome;
    this.#head = parseCursor(welcome.cursor);
    this.#retries = 0;
    if (!welcome.resumed) {
      this.state = welcome.state;
      this.#position = this.#head;
    }
    clearInterval(this.#beat);
    this.#beat = setInterval(() => this.send({ type: 'heartbeat', activity: document.hidden ? 'hidden' : 'active' }), 1000 * welcome.heartbeat_s);
    // What was made without a line goes first, under the mids it was made with.
    for (const mutation of this.queue.splice(0)) this.send({ type: 'mutate', ...mutation });
  }

  /** @param {Json} entry */
  #apply({ stream, seq, items }) {
    const position = this.#position;
    if (!position) return;
    const which = stream === 'all' ? 'all' : 'user';
    if (seq <= position[which]) return this.#note(`Known already: ${which} ${seq}. Dropped.`);
    if (seq > position[which] + 1) return this.#note(`A gap: ${which} ${position[which]}, then ${seq}. Not applied.`);
    for (const { patch } of items) if (patch !== undefined) this.state = applyPatch(this.state, patch);
    this.#position = { ...position, [which]: seq };
    if (this.#head && this.#head[which] < seq) this.#head = { ...this.#head, [which]: seq };
    this.send({ type: 'ack', cursor: this.cursor });
  }

  /** @param {WebSocket} socket  @param {number} code  @param {string} reason */
  #lost(socket, code, reason) {
    if (socket !== this.#socket) return;
    this.#drop();
    const loss = lossOf(code, reason, this.closed);
    this.closed = { code: loss.code ?? code, reason: loss.reason ?? '' };
    this.#note(`The socket closed: ${this.closed.code} ${this.closed.reason}`);
    if (loss.kind === 'stop' || loss.kind === 'auth') return this.#become('closed');
    this.#become('waiting');
    const backoff = Math.min(MOST_WAIT_MS, 1000 * 2 ** this.#retries) * Math.random();
    this.#retries += 1;
    this.#retry = setTimeout(() => this.open(), loss.kind === 'again' ? (loss.retryMs ?? 0) : 1000 + backoff);
  }

  #drop() {
    clearInterval(this.#beat);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** @param {string} text */
  #note(text) {
    this.#listener.seen({ way: 'note', text, frame: null, over: 'socket' });
  }

  /** @param {Status} status */
  #become(status) {
    this.status = status;
    this.#listener.changed();
  }
}

export const freshMid = () => uuid7(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));

/** @param {string} text  @returns {Json | null} */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

/** The verdict of `mid` in a frame, wherever it stands. @param {Json} frame  @param {string} mid  @returns {Json | null} */
export function verdictIn(frame, mid) {
  if (frame.type === 'entry' && frame.stream === 'user') {
    const item = frame.items.find((/** @type {Json} */ one) => one.kind === 'verdict' && one.mid === mid);
    return item ? { ...item, seq: frame.seq } : null;
  }
  if (frame.mid !== mid) return null;
  return frame.type === 'verdict' ? frame : frame.type === 'error' ? { ...frame, status: 'error' } : null;
}
