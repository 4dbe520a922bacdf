/**
 * Ids of mutations: UUIDv7 (RFC 9562, section 5.7), so they sort by the time they were made.
 */

/**
 * @param {number} nowMs
 * @param {(count: number) => Uint8Array} randomBytes
 * @returns {string}
 */
export function uuid7(nowMs, randomBytes) {
  const bytes = randomBytes(16);
  let time = Math.max(0, Math.floor(nowMs));
  for (let index = 5; index >= 0; index -= 1) {
    bytes[index] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
