/**
 * The text/event-stream format (HTML standard, section 9.2.6), pushed in as it arrives.
 *
 * Read through `fetch` and not `EventSource`: that one hides the status of the answer, so a
 * void cursor (410) or a lost login (401) would look like a bad line.
 *
 * @typedef {{event: string, data: string, id: string | null}} ServerEvent
 */
export class EventStreamParser {
  #rest = '';
  #event = '';
  /** @type {string[]} */
  #data = [];
  /** @type {string | null} */
  #id = null;

  /**
   * @param {string} text  The next piece, cut anywhere.
   * @returns {ServerEvent[]} What became complete by it.
   */
  push(text) {
    /** @type {ServerEvent[]} */
    const events = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length) events.push({ event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id });
        this.#event = '';
        this.#data = [];
      } else {
        this.#field(line);
      }
    }
    return events;
  }

  /** @param {string} line */
  #field(line) {
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment, sent to keep the line open
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#event = value;
    else if (name === 'data') this.#data.push(value);
    else if (name === 'id') this.#id = value;
  }
}
