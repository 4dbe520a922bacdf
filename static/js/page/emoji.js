/**
 * Emoji: from the id or the character to what is drawn, and what to draw where there is no font for it.
 */

/** What goes with words; each with the word a screen reader says, and beginnings of words that it goes with. */
export const SOME_EMOJI = Object.freeze(
  /** @type {Array<[string, string, string]>} */ ([
    ['1F375', 'tea', 'tea kettle matcha'],
    ['2615', 'coffee', 'coffee espresso latte cocoa'],
    ['1F4D6', 'book', 'book read novel'],
    ['1F3A7', 'headphones', 'listen podcast album headphone'],
    ['1F3B5', 'music', 'music song sing piano guitar'],
    ['1F3AE', 'game', 'game gaming play'],
    ['1F9E9', 'puzzle', 'puzzle jigsaw crossword sudoku'],
    ['1F4FA', 'television', 'watch tv series film movie'],
    ['1F4BB', 'computer', 'work cod computer laptop scroll'],
    ['1F4DD', 'writing', 'writ journal letter note'],
    ['1F3A8', 'painting', 'paint draw sketch colour color'],
    ['1F9F6', 'knitting', 'knit crochet yarn sew'],
    ['1F373', 'cooking', 'cook breakfast soup dinner lunch fry'],
    ['1F36A', 'cookie', 'bak cookie cake snack eat'],
    ['1F9F9', 'cleaning', 'clean tidy sweep hoover laundry dish'],
    ['1F6BF', 'shower', 'shower bath'],
    ['1F6CB-FE0F', 'couch', 'couch sofa lounge nothing'],
    ['1F634', 'sleepy', 'sleep nap doze tired bed'],
    ['1F9D8', 'resting', 'meditat yoga rest stretch breath'],
    ['1F6B6', 'walking', 'walk stroll hike'],
    ['1F6B2', 'bicycle', 'bike cycl bicycle'],
    ['1F683', 'train', 'train tram bus commut travel'],
    ['1FA9F', 'window', 'window star view'],
    ['1F327-FE0F', 'rain', 'rain storm drizzle'],
    ['2600-FE0F', 'sun', 'sun beach warm'],
    ['1F319', 'moon', 'moon night'],
    ['1F331', 'plant', 'plant garden water grow'],
    ['1F408', 'cat', 'cat kitten'],
    ['1F415', 'dog', 'dog puppy'],
    ['1F4AD', 'thinking', 'think daydream wonder wait'],
    ['1F642', 'smile', 'smil happy'],
    ['1F44B', 'wave', 'hello hi wave chat talk'],
  ]),
);

/**
 * The emoji that goes with some words, so that most people need not choose one.
 *
 * @param {string} text
 * @returns {string | null} An id.
 */
export function guess(text) {
  const said = text.toLocaleLowerCase().match(/\p{Letter}+/gu) ?? [];
  for (const [id, , stems] of SOME_EMOJI) {
    const beginnings = stems.split(' ');
    if (said.some((word) => beginnings.some((stem) => (stem.length > 3 ? word.startsWith(stem) : word === stem || word === `${stem}s`)))) return id;
  }
  return null;
}

const HEXCODE = /^[0-9A-F]{4,6}(-[0-9A-F]{4,6})*$/i;

/**
 * @param {string | null | undefined} emoji  A catalogue id such as `1F600` or `2764-FE0F`, or the character itself.
 * @returns {string | null} What can be put on the page; null where there is nothing to draw.
 */
export function toChar(emoji) {
  if (!emoji || emoji.startsWith('c_')) return null;
  if (!HEXCODE.test(emoji)) return emoji;
  const points = emoji.split('-').map((part) => Number.parseInt(part, 16));
  // Four digits may also be four digits: only what Unicode has is a code point.
  return points.every((point) => point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)) ? String.fromCodePoint(...points) : emoji;
}

/** @param {string | undefined} emoji */
export function nameOf(emoji) {
  return SOME_EMOJI.find(([id]) => id === emoji)?.[1] ?? toChar(emoji) ?? 'none';
}

/** As in the style sheet: colours before black and white. */
const FONT = '16px "Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", "Twemoji Mozilla", sans-serif';
/** Px of the square in which an emoji is tried. */
const SIDE = 24;
/** @type {CanvasRenderingContext2D | null | undefined} */
let pen;
/** What this device draws for no character at all. */
let box = '';

/** @type {Map<string, boolean>} */
const drawable = new Map();

/**
 * Whether this device has a picture for it. Where it has none, a box would be shown; an
 * initial says more.
 *
 * @param {string} char
 */
export function canDraw(char) {
  const known = drawable.get(char);
  if (known !== undefined) return known;
  const drawn = hasPicture(char);
  drawable.set(char, drawn);
  return drawn;
}

/** @param {string} char */
function hasPicture(char) {
  if (pen === undefined) {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = SIDE;
    pen = canvas.getContext('2d', { willReadFrequently: true });
    // Never to be assigned: what stands for "no glyph" here.
    box = pen ? outline(pixelsOf(pen, '\u{10FFFF}')) : '';
  }
  if (!pen) return true;
  const picture = pixelsOf(pen, [...char][0]);
  // A box holds the digits of its code, so compare the frame: the first inked row and column.
  return isColoured(picture) || outline(picture) !== box;
}

/** @param {CanvasRenderingContext2D} on  @param {string} text */
function pixelsOf(on, text) {
  on.clearRect(0, 0, SIDE, SIDE);
  on.font = FONT;
  on.textBaseline = 'top';
  on.fillText(text, 2, 2);
  return on.getImageData(0, 0, SIDE, SIDE).data;
}

/** @param {Uint8ClampedArray} pixels  @returns {string} Where the ink begins and ends. */
function outline(pixels) {
  let [left, right, top, bottom] = [SIDE, 0, SIDE, 0];
  for (let index = 3; index < pixels.length; index += 4) {
    if (!pixels[index]) continue;
    const [x, y] = [((index - 3) / 4) % SIDE, Math.floor((index - 3) / 4 / SIDE)];
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
  }
  return [left, right, top, bottom].join();
}

/** @param {Uint8ClampedArray} pixels */
function isColoured(pixels) {
  for (let index = 0; index < pixels.length; index += 4) {
    if (pixels[index + 3] > 40 && Math.abs(pixels[index] - pixels[index + 2]) > 24) return true;
  }
  return false;
}
