/**
 * A newer version of the page is ready: said once, at the edge, and never forced on anybody.
 */
import { words } from '../page/messages.js';
import { el, setShown } from './dom.js';

const texts = words.update;

export class UpdateToast extends HTMLElement {
  /** @param {() => void} reload */
  offer(reload) {
    this.replaceChildren(
      el('p', {}, texts.ready),
      el('button', { type: 'button', class: 'button primary', onclick: reload }, texts.reload),
      el('button', { type: 'button', class: 'button', onclick: () => setShown(this, false) }, texts.later),
    );
    this.className = 'card toast';
    this.setAttribute('role', 'status');
    setShown(this, true);
  }
}

customElements.define('update-toast', UpdateToast);
