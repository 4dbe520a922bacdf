/**
 * Building the page: elements from plain values. Text becomes text nodes and never markup, so
 * nothing that anybody writes can become part of the page's code.
 *
 * @typedef {string | number | Node | null | undefined | false} Child
 */

/**
 * @param {string} tag
 * @param {Record<string, any>} [attributes]  `on…` functions listen; `class`, `data-…`, `aria-…` and the rest are
 *   attributes; true is an empty one, null and false are none.
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else setAttribute(element, name, value);
  }
  element.append(...children.filter(isChild));
  return element;
}

/** @param {Child} child  @returns {child is string | Node} */
function isChild(child) {
  return child !== null && child !== undefined && child !== false;
}

/** @param {Element} element  @param {string} name  @param {string | number | boolean | null | undefined} value */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? '' : String(value));
}

/** Changes the text only when it differs: a screen reader reads what changes. @param {Element} element  @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {HTMLElement} element  @param {boolean} shown */
export function setShown(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

/**
 * Makes the children of `list` stand for `items`, keeping what is there: focus, scroll and
 * running animations survive.
 *
 * @template T
 * @param {HTMLElement} list
 * @param {T[]} items
 * @param {object} how
 * @param {(item: T) => string} how.key
 * @param {(item: T) => HTMLElement} how.make
 * @param {(element: HTMLElement, item: T) => void} how.fill
 * @param {(element: HTMLElement) => void} [how.leave]  Removes it, at once unless it is to fade.
 */
export function keep(list, items, { key, make, fill, leave = (element) => element.remove() }) {
  const places = new Map(items.map((item, index) => [key(item), index]));
  /** @type {Map<string, HTMLElement>} */
  const known = new Map();
  for (const child of [...list.children]) {
    const element = /** @type {HTMLElement} */ (child);
    const name = element.dataset.key;
    if (name === undefined || element.dataset.leaving) continue;
    if (places.has(name)) known.set(name, element);
    else {
      element.dataset.leaving = 'yes';
      leave(element);
    }
  }
  // Whoever is moved loses the focus and appears anew, so as few as can be.
  const names = [...known.keys()];
  const staying = new Set(longestRise(names.map((name) => places.get(name) ?? 0)).map((index) => names[index]));
  /** @type {Element | null} */
  let next = list.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const element = known.get(name) ?? make(item);
    if (!known.has(name)) element.dataset.key = name;
    fill(element, item);
    // What fades away stays where it was, and what will go further down is not to be gone around.
    while (next && next !== element && !staying.has(/** @type {HTMLElement} */ (next).dataset.key ?? '')) next = next.nextElementSibling;
    if (element === next) next = next.nextElementSibling;
    else list.insertBefore(element, next);
  }
}

/**
 * The longest rising run that some numbers hold, gaps allowed.
 *
 * @param {number[]} numbers  All different.
 * @returns {number[]} The indices of its members.
 */
export function longestRise(numbers) {
  /** @type {number[]} Of the runs so far, for each length the index at which the lowest of them ends. */
  const ends = [];
  const before = numbers.map((number, index) => {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[ends[middle]] < number) low = middle + 1;
      else high = middle;
    }
    ends[low] = index;
    return low ? ends[low - 1] : -1;
  });
  const run = [];
  for (let index = ends.at(-1) ?? -1; index >= 0; index = before[index]) run.unshift(index);
  return run;
}

/** @type {HTMLElement[]} */
let fading = [];

/** Lets an element fade before it goes. @param {HTMLElement} element */
export function fadeAway(element) {
  // To ask for animations has all styles worked out: once, after the last change of this drawing.
  if (fading.push(element) === 1) queueMicrotask(takeAway);
}

function takeAway() {
  const leaving = fading.map((element) => {
    const animations = element.getAnimations?.() ?? [];
    return { element, faded: animations.length ? Promise.allSettled(animations.map(({ finished }) => finished)) : null };
  });
  fading = [];
  for (const { element, faded } of leaving) {
    if (faded) void faded.then(() => element.remove());
    else element.remove();
  }
}
