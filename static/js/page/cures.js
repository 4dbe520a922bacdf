/**
 * What to say and to offer when a change was not accepted: reason, what was kept, one way on.
 *
 * @import {Change} from '../client/types.js'
 * @import {IdlingClient} from '../client/client.js'
 *
 * @typedef {'take_over' | 'again' | 'overwrite' | 'without_emoji' | 'start_anew' | 'choose_name' | 'dismiss'} Remedy
 *
 * @typedef {object} Cure
 * @property {string} title
 * @property {string | null} kept  The person's words, for another try.
 * @property {Array<{label: string, remedy: Remedy}>} actions  The first one is what most people will want.
 */
import { asTime } from './format.js';
import { words } from './messages.js';

const { trouble } = words;
const dismiss = { label: trouble.fine, remedy: /** @type {Remedy} */ ('dismiss') };

/** @param {Pick<Change, 'name' | 'args'>} change  @returns {string} */
export function titleOf(change) {
  /** @type {Record<string, (args: any) => string>} */
  const titles = words.changes;
  return (Object.hasOwn(titles, change.name) ? titles[change.name] : titles.other)(change.args);
}

/**
 * @param {Change} change  One that was rolled back or has expired.
 * @param {number} now  Ms.
 * @returns {Cure}
 */
export function cureOf(change, now) {
  const { args, error, current } = change;
  const text = args.activity ?? args.name ?? args.bio;
  const kept = text ? trouble.kept(text) : null;
  const what = titleOf(change);
  const again = { label: trouble.again, remedy: /** @type {Remedy} */ ('again') };
  switch (change.delivery === 'expired' ? 'expired' : error?.code) {
    case 'session_already_active': {
      const open = current?.session;
      const title = open
        ? trouble.session_already_active(asTime(open.started_at, now), open.activity)
        : trouble.session_already_active_unknown;
      return { title, kept, actions: [{ label: trouble.takeOver, remedy: 'take_over' }, { label: trouble.keepThat, remedy: 'dismiss' }] };
    }
    case 'session_not_active':
      if (change.name === 'reaction.send') return { title: trouble.they_left, kept: null, actions: [dismiss] };
    // falls through -- what is one's own session
    case 'session_not_found': {
      const anew = /** @type {const} */ ({ label: trouble.startAnew, remedy: 'start_anew' });
      return { title: trouble.session_over, kept: what, actions: args.activity && !current?.session ? [anew, dismiss] : [dismiss] };
    }
    case 'name_taken':
      return { title: trouble.name_taken(args.name), kept: args.bio ? trouble.kept(args.bio) : null, actions: [{ label: trouble.chooseName, remedy: 'choose_name' }, dismiss] };
    case 'conflict':
      return { title: trouble.conflict, kept, actions: [{ label: trouble.overwrite, remedy: 'overwrite' }, { label: trouble.keepTheirs, remedy: 'dismiss' }] };
    case 'emoji_not_found':
      return { title: trouble.emoji_not_found, kept, actions: change.name.startsWith('session.') ? [{ label: trouble.withoutEmoji, remedy: 'without_emoji' }, dismiss] : [dismiss] };
    case 'own_session':
    case 'favorites_full':
    case 'favorite_not_found':
    case 'custom_emoji_not_found':
    case 'last_provider':
    case 'account_not_linked':
      return { title: trouble[/** @type {'last_provider'} */ (error?.code)], kept: null, actions: [dismiss] };
    case 'needs_earlier':
      return { title: trouble.needs_earlier(what), kept, actions: [dismiss] };
    case 'expired':
      return { title: trouble.expired(what), kept: null, actions: [again, { label: words.session.cancel, remedy: 'dismiss' }] };
    case 'invalid_arguments':
      return { title: trouble.invalid(what), kept: null, actions: [dismiss] };
    case 'forbidden':
    case 'suspended':
      return { title: trouble.forbidden, kept, actions: [dismiss] };
    default:
      return { title: error?.message ? `${trouble.other(what)} ${error.message}` : trouble.other(what), kept, actions: [again, dismiss] };
  }
}

/**
 * Does what a person chose. Opening a form is the page's own business.
 *
 * @param {IdlingClient} client
 * @param {Change} change
 * @param {Remedy} remedy
 */
export function apply(client, change, remedy) {
  const { mid, name, args, current } = change;
  const { session } = client.view;
  if (remedy === 'again' || remedy === 'overwrite') return void client.tryAgain(mid);
  client.acknowledge(mid);
  if (remedy === 'take_over') {
    const open = session?.id ?? current?.session?.id;
    if (open) client.mutate('session.end', { id: open });
    client.mutate(name, args);
  } else if (remedy === 'without_emoji') {
    const { emoji: _emoji, ...rest } = args;
    if (name === 'session.start' || rest.activity) client.mutate(name, rest);
  } else if (remedy === 'start_anew' && !session) {
    const { id: _id, ...rest } = args;
    client.mutate('session.start', rest);
  }
}
