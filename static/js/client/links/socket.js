/**
 * The WebSocket link: the first choice, and the only one on which the server can speak at any time.
 *
 * @import {Environment, Frame, Link, Loss, Sink} from '../types.js'
 */
import { lossOf } from '../close-codes.js';
import { decodeFrames, encodeFrame } from '../frames.js';

export const SUBPROTOCOL = 'idling.v1';

/** @implements {Link} */
export class SocketLink {
  #env;
  #url;
  #sink;
  /** @type {any} */
  #socket = null;
  /** @type {any} */
  #bye = null;
  #over = false;

  /**
   * @param {Environment} env
   * @param {string} origin  `http(s)://host[:port]`.
   * @param {Sink} sink
   */
  constructor(env, origin, sink) {
    this.#env = env;
    this.#url = `${origin.replace(/^http/, 'ws')}/ws`;
    this.#sink = sink;
  }

  /** @param {Frame} hello */
  open(hello) {
    try {
      this.#socket = this.#env.openSocket(this.#url, [SUBPROTOCOL]);
    } catch (error) {
      // A policy may forbid sockets altogether. Told on a later turn, like every other loss.
      queueMicrotask(() => this.#end({ kind: 'broken', reason: String(error) }));
      return;
    }
    const socket = this.#socket;
    socket.onopen = () => !this.#over && socket.send(encodeFrame(hello));
    socket.onmessage = (/** @type {{data: unknown}} */ event) => this.#receive(event.data);
    socket.onclose = (/** @type {{code: number, reason: string}} */ event) => this.#end(lossOf(event.code, event.reason, this.#bye));
  }

  /** @param {Frame[]} frames */
  send(frames) {
    // 1 is OPEN. What is sent into a closing socket is lost, and the loss is reported.
    if (this.#over || this.#socket?.readyState !== 1) return;
    for (const frame of frames) this.#socket.send(encodeFrame(frame));
  }

  close() {
    if (this.#over) return;
    this.#over = true;
    if (this.#socket && this.#socket.readyState <= 1) this.#socket.close(1000);
  }

  /** @param {unknown} data */
  #receive(data) {
    if (this.#over || typeof data !== 'string') return;
    const frames = decodeFrames(data);
    for (const frame of frames) if (frame.type === 'bye') this.#bye = frame;
    this.#sink.frames(frames);
  }

  /** @param {Loss} loss */
  #end(loss) {
    if (this.#over) return;
    this.#over = true;
    this.#sink.lost(loss);
  }
}
