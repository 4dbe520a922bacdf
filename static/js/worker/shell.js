/**
 * The shell: all files of one version of the page, kept together and changed together.
 *
 * @typedef {object} Shell
 * @property {string} version
 * @property {Array<[path: string, integrity: string]>} pages  What is opened by its address.
 * @property {Array<[path: string, integrity: string]>} files  Their addresses hold the version.
 */

const PREFIX = 'shell-';

/** @param {Shell} shell */
const nameOf = ({ version }) => `${PREFIX}${version}`;

/**
 * Fetches everything, or fails: half a version would be worse than the old one.
 *
 * @param {Shell} shell
 */
export async function installShell(shell) {
  const cache = await caches.open(nameOf(shell));
  // An instance of another version, in the middle of a deploy, would answer with its own
  // files: the hash tells. The browser then tries again at the next visit.
  await cache.addAll(shell.files.map(([path, integrity]) => new Request(path, { integrity })));
  await cache.addAll(shell.pages.map(([path, integrity]) => new Request(path, { integrity, cache: 'reload' })));
}

/** @param {Shell} shell */
export async function dropOtherShells(shell) {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== nameOf(shell)) await caches.delete(name);
  }
}

/** @param {Request} request  @param {Shell} shell  @returns {Promise<Response>} */
export async function openShell(request, shell) {
  const cache = await caches.open(nameOf(shell));
  // `/?signed_in=…` is the same page as `/`.
  return (await cache.match(request, { ignoreSearch: true, ignoreVary: true })) ?? fetch(request);
}
