/**
 * Whether somebody is there: seen and touched, seen only, or hidden.
 */
const IDLE_AFTER_MS = 5 * 60 * 1000;
const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'scroll', 'touchstart'];

/** @param {(activity: 'active' | 'idle' | 'hidden') => void} tell */
export function watchActivity(tell) {
  let touchedAt = Date.now();
  const judge = () => tell(document.hidden ? 'hidden' : Date.now() - touchedAt > IDLE_AFTER_MS ? 'idle' : 'active');
  const touched = () => {
    const wasLong = Date.now() - touchedAt > 1000;
    touchedAt = Date.now();
    if (wasLong) judge();
  };
  for (const sign of SIGNS) addEventListener(sign, touched, { passive: true });
  document.addEventListener('visibilitychange', judge);
  setInterval(judge, 60_000);
}
