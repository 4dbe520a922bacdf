/**
 * Reactions that come in: each flies once along an arc to my session, and stays beside it for a
 * moment with the name of who sent it. Where nothing is to move, only the latter.
 *
 * @import {Entry} from '../client/types.js'
 */
import { words } from '../page/messages.js';
import { el, setShown } from './dom.js';
import { emojiFace } from './emoji-face.js';
import { View } from './view.js';

const FLIGHT_MS = 1100;
const SHOWN_MS = 7000;
/** As many at once; a crowd that waves would else cover the page. */
const MOST = 12;

export class ReactionFlight extends View {
  #note = el('p', { class: 'reaction-note', hidden: true });
  /** @type {any} */
  #timer = null;

  build() {
    this.append(this.#note);
    this.client.on('frame', (frame) => {
      const { type, items = [] } = /** @type {Entry & {type: string}} */ (frame);
      if (type !== 'entry') return;
      for (const { kind, data } of items) if (kind === 'reaction.received' && data) this.#receive(data.emoji, data.from);
    });
  }

  /** @param {string} emoji  @param {{id: number, name: string}} from */
  #receive(emoji, from) {
    this.#note.replaceChildren(emojiFace(emoji, this.page.catalogue), el('bdi', {}, from.name));
    setShown(this.#note, true);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => setShown(this.#note, false), SHOWN_MS);
    this.page.say(words.reactions.received(from.name, this.page.catalogue.nameOf(emoji)));
    if (!isStill() && this.querySelectorAll('.flying').length < MOST) this.#fly(emoji, from.id);
  }

  /** @param {string} emoji  @param {number} from */
  #fly(emoji, from) {
    const start = centreOf(document.querySelector(`.person[data-key="${Number(from)}"]`)) ?? { x: innerWidth / 2, y: innerHeight };
    const end = centreOf(document.querySelector('my-session .disc')) ?? { x: innerWidth / 2, y: innerHeight / 3 };
    const face = el('span', { class: 'flying', 'aria-hidden': 'true' }, emojiFace(emoji, this.page.catalogue));
    this.append(face);
    const top = Math.max(40, Math.min(start.y, end.y) - 120);
    const steps = Array.from({ length: 13 }, (_, index) => index / 12).map((t) => ({
      // A curve through one point above both: (1-t)² a + 2t(1-t) b + t² c.
      translate: `${(1 - t) ** 2 * start.x + 2 * t * (1 - t) * ((start.x + end.x) / 2) + t ** 2 * end.x}px ${(1 - t) ** 2 * start.y + 2 * t * (1 - t) * top + t ** 2 * end.y}px`,
      scale: 0.7 + 0.9 * Math.sin(Math.PI * t),
      opacity: t === 0 || t === 1 ? 0 : 1,
    }));
    const flight = face.animate(steps, { duration: FLIGHT_MS, easing: 'cubic-bezier(0.3, 0, 0.4, 1)' });
    flight.finished.then(() => face.remove(), () => face.remove());
  }
}

const isStill = () => matchMedia('(prefers-reduced-motion: reduce)').matches || document.documentElement.dataset.motion === 'still';

/** @param {Element | null} element */
function centreOf(element) {
  if (!element?.checkVisibility()) return null;
  const { left, top, width, height } = element.getBoundingClientRect();
  return { x: left + width / 2, y: top + height / 2 };
}

customElements.define('reaction-flight', ReactionFlight);
