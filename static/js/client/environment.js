/**
 * The browser as the client sees it. Tests pass another one, with a clock they move by hand.
 *
 * @import {Environment, TabsEnvironment} from './types.js'
 */

/** @returns {Environment} */
export function browserEnvironment() {
  return {
    clock: {
      now: () => Date.now(),
      setTimeout: (run, ms) => setTimeout(run, ms),
      clearTimeout: (timer) => clearTimeout(timer),
    },
    random: () => Math.random(),
    randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
    openSocket: (url, protocols) => new WebSocket(url, protocols),
    fetch: (url, init) => fetch(url, init),
    network: {
      online: () => navigator.onLine !== false,
      listen(changed) {
        addEventListener('online', changed);
        addEventListener('offline', changed);
        return () => {
          removeEventListener('online', changed);
          removeEventListener('offline', changed);
        };
      },
    },
    tabs: browserTabs(),
  };
}

/** @returns {TabsEnvironment | null} */
function browserTabs() {
  if (!globalThis.BroadcastChannel || !navigator.locks) return null;
  return {
    requestLock: (name, options, run) => navigator.locks.request(name, options, async (lock) => run(lock !== null)),
    openChannel: (name) => new BroadcastChannel(name),
    listenFreeze(changed) {
      const frozen = () => changed(true);
      const thawed = () => changed(false);
      addEventListener('freeze', frozen, { capture: true });
      addEventListener('resume', thawed, { capture: true });
      return () => {
        removeEventListener('freeze', frozen, { capture: true });
        removeEventListener('resume', thawed, { capture: true });
      };
    },
  };
}
