/**
 * Favourites in the person's own order: moved by drag, by keys and by buttons.
 */

/**
 * Where something goes when it is to stand at `place`.
 *
 * @param {string[]} favorites
 * @param {string} emoji
 * @param {number} place  Its index afterwards.
 * @returns {{emoji: string, after: string | null} | null} The arguments of `favorite.move`; null when nothing would move.
 */
export function moveTo(favorites, emoji, place) {
  const from = favorites.indexOf(emoji);
  const rest = favorites.filter((one) => one !== emoji);
  const to = Math.max(0, Math.min(place, rest.length));
  if (from < 0 || to === from) return null;
  return { emoji, after: to === 0 ? null : rest[to - 1] };
}

/**
 * Lets cells of the favourites be dragged onto each other.
 *
 * @param {HTMLElement} grid
 * @param {(emoji: string, onto: string) => void} drop  `onto`: the one whose place it takes.
 */
export function letDrag(grid, drop) {
  /** @type {string | null} */
  let dragged = null;
  const favoriteAt = (/** @type {Event} */ event) => {
    const cell = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest?.('button[draggable="true"]'));
    return cell && dragged !== cell.dataset.id ? cell : null;
  };
  const clear = () => grid.querySelector('button.drop-here')?.classList.remove('drop-here');
  grid.addEventListener('dragstart', (event) => {
    const cell = favoriteAt(event);
    if (!cell) return event.preventDefault();
    dragged = cell.dataset.id ?? null;
    event.dataTransfer?.setData('text/plain', dragged ?? '');
    if (event.dataTransfer) event.dataTransfer.effectAllowed = 'move';
  });
  grid.addEventListener('dragover', (event) => {
    const cell = favoriteAt(event);
    clear();
    if (!cell || !dragged) return;
    event.preventDefault();
    cell.classList.add('drop-here');
  });
  grid.addEventListener('drop', (event) => {
    const cell = favoriteAt(event);
    clear();
    event.preventDefault();
    if (cell?.dataset.id && dragged) drop(dragged, cell.dataset.id);
  });
  grid.addEventListener('dragend', () => {
    clear();
    dragged = null;
  });
}
