/**
 * Pictures on their way to become custom emoji: shown at once, and gone again when they are not taken.
 *
 * @typedef {object} Upload
 * @property {string} key
 * @property {string} name
 * @property {string} url  Of the picture on this device.
 * @property {'sent' | 'refused'} status
 * @property {string} [reason]
 * @property {File} file
 */
import { words } from './messages.js';
import { ask } from './requests.js';

const MAX_BYTES = 1 << 20;
const TYPES = ['image/png', 'image/gif', 'image/webp', 'image/jpeg'];
/** 1 MiB over a slow line. */
const TIMEOUT_MS = 45_000;

export class Uploads {
  #changed;
  /** @type {Map<string, Upload>} */
  #all = new Map();

  /** @param {() => void} changed */
  constructor(changed) {
    this.#changed = changed;
  }

  get all() {
    return [...this.#all.values()];
  }

  /** What is wrong with a file, before it is sent; the server looks closer. @param {File | undefined} file */
  static problemOf(file) {
    const texts = words.brought.problems;
    if (!file) return texts.none;
    if (!TYPES.includes(file.type)) return texts.type;
    if (file.size > MAX_BYTES) return texts.too_large;
    return file.size ? null : texts.empty;
  }

  /** @param {string} name  @param {File} file  @param {string} [key]  That of a try before: the picture is taken once. */
  async send(name, file, key = crypto.randomUUID?.() ?? String(Math.random()).slice(2)) {
    const known = this.#all.get(key);
    this.#all.set(key, { key, name, file, url: known?.url ?? URL.createObjectURL(file), status: 'sent' });
    this.#changed();
    const form = new FormData();
    form.append('name', name);
    form.append('file', file);
    const answer = await ask('/api/emojis/custom', { method: 'POST', form, headers: { 'Idempotency-Key': key }, timeoutMs: TIMEOUT_MS });
    if (answer.ok) this.forget(key);
    else this.#refuse(key, answer);
  }

  /** @param {string} key  @param {import('./requests.js').Refused} answer */
  #refuse(key, { code, message, fields }) {
    const upload = this.#all.get(key);
    if (!upload) return;
    const texts = /** @type {Record<string, string>} */ (words.brought.problems);
    const field = Object.values(fields ?? {})[0]?.[0];
    const reason = Object.hasOwn(texts, code) ? texts[code] : field || message || texts.unreachable;
    this.#all.set(key, { ...upload, status: 'refused', reason });
    this.#changed();
  }

  /** @param {Upload} upload */
  again({ name, file, key }) {
    return this.send(name, file, key);
  }

  /** @param {string} key */
  forget(key) {
    const upload = this.#all.get(key);
    if (upload) URL.revokeObjectURL(upload.url);
    this.#all.delete(key);
    this.#changed();
  }
}
