/**
 * The service worker's address: its scope is the folder that it comes from. The server puts
 * in which version this is and what that consists of; all else is in the modules.
 */
import { work } from './js/worker/worker.js';

work(null /* SHELL */);
