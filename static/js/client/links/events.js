/**
 * Server-Sent Events down, REST up: for networks that do not let a WebSocket through.
 *
 * @import {Environment, Frame, Link, Loss, Sink} from '../types.js'
 * @import {Http} from '../http.js'
 */
import { lossOf } from '../close-codes.js';
import { HttpError } from '../http.js';
import { EventStreamParser } from './sse.js';
import { Uplink } from './uplink.js';

/** The server sends a comment every 15 s; two of them missed mean that the line is dead. */
const SILENCE_MS = 40_000;

/** @implements {Link} */
export class EventsLink {
  #env;
  #http;
  #sink;
  #uplink;
  #abort = new AbortController();
  /** @type {any} */
  #silence = null;
  /** @type {any} The last word of the server, if it said one. */
  #bye = null;

  /**
   * @param {Environment} env
   * @param {Http} http
   * @param {Sink} sink
   * @param {() => boolean} hasSession
   */
  constructor(env, http, sink, hasSession) {
    this.#env = env;
    this.#http = http;
    this.#sink = sink;
    this.#uplink = new Uplink(env, http, { frames: (frames) => this.#deliver(frames), lost: (loss) => this.#end(loss) }, hasSession);
  }

  /** @param {Frame} hello */
  open(hello) {
    void this.#run(hello.cursor ?? null);
  }

  /** @param {Frame[]} frames */
  send(frames) {
    const resume = frames.find((frame) => frame.type === 'resume');
    // The stream cannot be told to go back; a new one starts where it is asked to.
    if (resume) return this.#end({ kind: 'again', reason: 'resume' });
    this.#uplink.send(frames);
  }

  close() {
    this.#abort.abort();
    this.#uplink.close();
    this.#env.clock.clearTimeout(this.#silence);
  }

  /** @param {string | null} cursor */
  async #run(cursor) {
    try {
      // A cursor that is void is answered inside the stream, by a welcome with a fresh state.
      const response = await this.#http.request(`/api/events${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ''}`, {
        headers: { Accept: 'text/event-stream' },
        signal: this.#abort.signal,
      });
      if (!response.body || !response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
        return this.#end({ kind: 'broken', reason: 'not an event stream' });
      }
      this.#uplink.start();
      await this.#read(response.body);
      this.#end(this.#bye ? lossOf(this.#bye.code, this.#bye.reason, this.#bye) : { kind: 'again', reason: 'end of stream' });
    } catch (error) {
      this.#end(error instanceof HttpError ? error.loss : { kind: 'broken', reason: String(error) });
    }
  }

  /** @param {ReadableStream<Uint8Array>} body */
  async #read(body) {
    const parser = new EventStreamParser();
    const decoder = new TextDecoder();
    const reader = body.getReader();
    this.#abort.signal.addEventListener('abort', () => void reader.cancel().catch(() => undefined));
    for (;;) {
      this.#listen();
      const { done, value } = await reader.read();
      if (done) return;
      const frames = parser.push(decoder.decode(value, { stream: true })).flatMap(frameOf);
      this.#bye = frames.find((frame) => frame.type === 'bye') ?? this.#bye;
      if (frames.length) this.#deliver(frames);
    }
  }

  #listen() {
    this.#env.clock.clearTimeout(this.#silence);
    if (this.#abort.signal.aborted) return;
    this.#silence = this.#env.clock.setTimeout(() => this.#end({ kind: 'broken', reason: 'silent' }), SILENCE_MS);
  }

  /** @param {Frame[]} frames */
  #deliver(frames) {
    if (!this.#abort.signal.aborted) this.#sink.frames(frames);
  }

  /** @param {Loss} loss */
  #end(loss) {
    if (this.#abort.signal.aborted) return;
    this.close();
    this.#sink.lost(loss);
  }
}

/** @param {import('./sse.js').ServerEvent} event  @returns {Frame[]} */
function frameOf(event) {
  try {
    return [{ type: event.event, ...JSON.parse(event.data) }];
  } catch {
    return [];
  }
}
