/**
 * The trials as people meet them: a promise, a button, and what was seen.
 *
 * @import {Line} from './line.js'
 * @import {Trial} from './trials.js'
 */
import { el, setText } from '../views/dom.js';
import { TRIALS } from './trials.js';
import { words } from './words.js';

const texts = words.trials;

export class Simulations {
  #line;
  #isRunning = false;

  /** @param {Line} line */
  constructor(line) {
    this.#line = line;
    this.element = el(
      'section',
      { class: 'card', 'aria-labelledby': 'trials-heading' },
      el('h2', { id: 'trials-heading' }, texts.heading),
      el('p', { class: 'quiet' }, texts.lead),
      el('div', { class: 'trials' }, ...TRIALS.map((trial) => this.#card(trial))),
    );
  }

  /** @param {Trial} trial */
  #card(trial) {
    const steps = el('ol', { class: 'trial-steps' });
    const verdict = el('p', { class: 'trial-verdict', role: 'status' });
    const button = /** @type {HTMLButtonElement} */ (
      el('button', { type: 'button', class: 'button small', 'aria-describedby': `trial-${trial.id}`, onclick: () => void this.#run(trial, { steps, verdict, button }) }, texts.run)
    );
    return el(
      'article',
      { class: 'trial', 'data-trial': trial.id },
      el('div', { class: 'trial-head' }, el('h3', { id: `trial-${trial.id}` }, trial.title), button),
      el('p', {}, el('span', { class: 'tag' }, texts.promise), ' ', trial.promise),
      steps,
      verdict,
    );
  }

  /** @param {Trial} trial  @param {{steps: HTMLElement, verdict: HTMLElement, button: HTMLButtonElement}} shown */
  async #run(trial, { steps, verdict, button }) {
    verdict.dataset.kept = '';
    if (this.#isRunning) return setText(verdict, texts.busy);
    this.#isRunning = true;
    button.disabled = true;
    steps.replaceChildren();
    setText(verdict, texts.running);
    try {
      if (this.#line.status === 'offline' || this.#line.status === 'closed') this.#line.open();
      await this.#line.live();
      const isKept = await trial.run(this.#line, (text) => steps.append(el('li', {}, text)));
      verdict.dataset.kept = isKept ? 'yes' : 'no';
      setText(verdict, isKept ? texts.kept : texts.broken);
    } catch (error) {
      verdict.dataset.kept = 'no';
      setText(verdict, `${texts.failed} ${/** @type {Error} */ (error).message}`);
      if (this.#line.status === 'offline') this.#line.open();
    } finally {
      this.#isRunning = false;
      button.disabled = false;
    }
  }
}
