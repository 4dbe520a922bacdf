/**
 * Every word that a person reads: short, human, never a code alone.
 *
 * Whoever translates the page translates the files in `words/`, each about one thing; everybody else asks here.
 * Texts with something in them are functions.
 */
import { account } from './words/account.js';
import { changes } from './words/changes.js';
import { emoji } from './words/emoji.js';
import { entrance } from './words/entrance.js';
import { line } from './words/line.js';
import { notifications } from './words/notifications.js';
import { room } from './words/room.js';

export const words = { ...entrance, ...room, ...emoji, ...changes, ...line, ...account, ...notifications };
