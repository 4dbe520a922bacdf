/**
 * Sending a reaction to somebody in the room, and what became of the latest one: on its way, there, or refused.
 *
 * @import {Change, Member} from '../client/types.js'
 * @import {Page} from './view.js'
 */
import { isPending } from '../client/delivery.js';
import { words } from '../page/messages.js';
import { el, setAttribute, setShown } from './dom.js';
import { emojiFace } from './emoji-face.js';
import { wantEmoji } from './emoji-field.js';
import { icon } from './icons.js';

const texts = words.reactions;
/** A reaction that has arrived is shown on the card for so long. */
const SHOWN_MS = 4000;

/** The latest reaction to each session that still shows: on its way, or arrived a moment ago. */
export class SentReactions {
  /** @type {Map<string, Change>} */
  #arrived = new Map();
  /** @type {() => Change[]} */
  #changes = () => [];

  /** @param {Page} page */
  follow(page) {
    this.#changes = () => page.client.changes;
    page.client.on('ended', (/** @type {Change} */ change) => {
      if (change.name !== 'reaction.send' || change.delivery !== 'confirmed') return;
      const { session } = change.args;
      this.#arrived.set(session, change);
      setTimeout(() => {
        if (this.#arrived.get(session) === change) this.#arrived.delete(session);
        page.draw();
      }, SHOWN_MS);
    });
  }

  /** @returns {Map<string, Change>} By session. */
  all() {
    const sent = new Map(this.#arrived);
    for (const change of this.#changes()) if (change.name === 'reaction.send' && isPending(change)) sent.set(change.args.session, change);
    return sent;
  }
}

/** Lets a person choose what to send to somebody. @param {Page} page  @param {Member} to  @param {HTMLElement} anchor */
export function askReaction(page, { session, user }, anchor) {
  wantEmoji({
    anchor,
    title: texts.to(user.name),
    choose: (emoji) => {
      page.client.mutate('reaction.send', { session: session.id, emoji });
      page.say(texts.sent(page.catalogue.nameOf(emoji), user.name));
    },
  });
}

/** @param {Page} page  @param {() => Member | null} who */
export function reactionButton(page, who) {
  const button = el(
    'button',
    {
      type: 'button',
      class: 'button icon-only react',
      'aria-haspopup': 'dialog',
      onclick: () => {
        const member = who();
        if (member) askReaction(page, member, button);
      },
    },
    icon('smile'),
  );
  return button;
}

/** @param {HTMLElement} slot  @param {Page} page  @param {Change | null} change */
export function fillSent(slot, page, change) {
  setShown(slot, Boolean(change));
  setAttribute(slot, 'data-delivery', change?.delivery);
  setAttribute(slot, 'title', change && words.bell.states[change.delivery]);
  slot.replaceChildren(...(change ? [emojiFace(change.args.emoji, page.catalogue), el('span', { class: 'unseen' }, words.bell.states[change.delivery])] : []));
}
