/**
 * A long list in parts of whole rows, of which those out of sight cost nothing.
 *
 * If every part always held as many, one who leaves at the front would make somebody go over in each part behind it.
 * So only the parts in sight keep their size: out of sight one may shrink, or grow to nearly twice as much, until it
 * is looked at. What a change costs does not depend on how long the list is.
 *
 * @typedef {{places: number[], isInSight: boolean}} Part  Where those who stand in it belong by now.
 * @typedef {{part: number | null, begin: number, end: number}} Run  `part`: which of the parts it is, null for a new one.
 */

/**
 * Where each part begins and ends, so that few go over from one into another.
 *
 * @param {number} length  Of the whole list.
 * @param {Part[]} parts  Those there are.
 * @param {number} size  Of a part in sight.
 * @returns {Run[]} In order, and together the whole list.
 */
export function divide(length, parts, size) {
  const known = begins(parts);
  const endOf = (/** @type {number} */ index) => known[index + 1]?.begin ?? length;
  /** @type {Run[]} */
  const runs = [];
  let at = 0;
  const cut = (/** @type {number | null} */ part, /** @type {number} */ end) => {
    if (end <= at) return;
    runs.push({ part, begin: at, end });
    at = end;
  };
  for (let index = 0; index < known.length; index += 1) {
    const { part, isInSight } = known[index];
    if (endOf(index) <= at) continue; // the part before it needed them all
    if (isInSight) cut(part, Math.min(at + size, length));
    else {
      // Two that have become small are one again.
      while (known[index + 1]?.isInSight === false && endOf(index + 1) - at <= size) index += 1;
      const end = endOf(index);
      cut(part, end - at < 2 * size ? end : at + size);
      while (at < end) cut(null, Math.min(at + size, end));
    }
  }
  while (at < length) cut(null, Math.min(at + size, length));
  return runs;
}

/** Where each begins if nobody goes over; those that nobody is left of are not among them. @param {Part[]} parts */
function begins(parts) {
  /** @type {Array<{part: number, begin: number, isInSight: boolean}>} */
  const known = [];
  parts.forEach(({ places, isInSight }, part) => {
    const last = known.at(-1)?.begin;
    // Who comes to stand before an earlier part has left this one.
    const begin = last === undefined ? 0 : places.find((place) => place > last);
    if (begin !== undefined) known.push({ part, begin, isInSight });
  });
  return known;
}
