/**
 * What somebody is here, as one word: the highest of their roles.
 */
const ROLES = /** @type {const} */ (['admin', 'moderator', 'member', 'guest']);

/** @param {string[] | undefined} roles */
export const roleOf = (roles) => ROLES.find((role) => roles?.includes(role)) ?? 'member';
