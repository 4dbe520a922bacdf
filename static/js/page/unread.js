/**
 * How much is unread, where it shows while the page does not: in its title, and on its icon where a system has that.
 */
import { words } from './messages.js';

let shown = -1;

/** @param {number} count */
export function showUnread(count) {
  if (count === shown) return;
  shown = count;
  document.title = words.notifications.title(count, words.place);
  // Only for what is installed, and only where it is allowed: nobody misses it elsewhere.
  const done = count ? navigator.setAppBadge?.(count) : navigator.clearAppBadge?.();
  done?.catch(() => undefined);
}
