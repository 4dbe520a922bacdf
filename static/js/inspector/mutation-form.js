/**
 * A form for every mutation, made of what the server says its arguments are.
 *
 * It checks nothing: what the server says to a mistake is worth seeing. What is left empty is
 * left out.
 *
 * @import {Json, Line} from './line.js'
 *
 * @typedef {{name: string, args: Json, allowed: boolean}} Mutation
 * @typedef {{element: HTMLElement, read: () => unknown}} Field  `read` gives undefined for what is left out.
 */
import { el, setText } from '../views/dom.js';
import { pretty } from './showing.js';
import { words } from './words.js';

const texts = words.send;
const LONG = 120;

export class MutationForm {
  #line;
  /** @type {Map<string, Mutation>} */
  #mutations = new Map();
  /** @type {Field | null} */
  #args = null;
  #name = /** @type {HTMLSelectElement} */ (el('select', { class: 'input', id: 'mutation-name', onchange: () => this.#draw() }));
  #fields = el('div', { class: 'stack tight' });
  #mid = /** @type {HTMLInputElement} */ (el('input', { class: 'input', id: 'mutation-mid', autocomplete: 'off', spellcheck: 'false' }));
  #version = /** @type {HTMLInputElement} */ (el('input', { class: 'input', id: 'mutation-version', inputmode: 'numeric', autocomplete: 'off' }));
  #over = /** @type {HTMLSelectElement} */ (el('select', { class: 'input', id: 'mutation-over' }, el('option', { value: 'socket' }, texts.socket), el('option', { value: 'rest' }, texts.rest)));
  #said = el('p', { class: 'sent-said', role: 'status' });
  #verdict = el('pre', { class: 'verdict', tabindex: '0', hidden: true });

  /** @param {Line} line */
  constructor(line) {
    this.#line = line;
    this.element = el(
      'section',
      { class: 'card', 'aria-labelledby': 'send-heading' },
      el('h2', { id: 'send-heading' }, texts.heading),
      el(
        'form',
        { class: 'stack tight', novalidate: true, onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), void this.#send()) },
        labelled(texts.mutation, this.#name),
        this.#fields,
        el('div', { class: 'pair' }, labelled(texts.mid, this.#mid), labelled(texts.ifVersion, this.#version)),
        labelled(texts.over, this.#over),
        el('div', { class: 'actions' }, el('button', { class: 'button primary' }, texts.submit)),
      ),
      this.#said,
      this.#verdict,
    );
  }

  /** Fetches what there is to be asked for. */
  async load() {
    try {
      const response = await fetch('/api/mutations', { headers: { Accept: 'application/json' } });
      if (!response.ok) throw new TypeError(`the server answered ${response.status}`);
      const { mutations } = await response.json();
      for (const mutation of /** @type {Mutation[]} */ (mutations)) {
        this.#mutations.set(mutation.name, mutation);
        this.#name.append(el('option', { value: mutation.name }, mutation.allowed ? mutation.name : texts.forbidden(mutation.name)));
      }
      this.#name.value = this.#mutations.has('emoji.use') ? 'emoji.use' : this.#name.value;
      this.#draw();
    } catch {
      setText(this.#said, texts.unreachable);
    }
  }

  #draw() {
    const mutation = this.#mutations.get(this.#name.value);
    if (!mutation) return;
    this.#args = objectField(mutation.args, 'arg', (name) => suggest(mutation.name, name, this.#line.state));
    const isEmpty = Object.keys(mutation.args.properties).length === 0;
    this.#fields.replaceChildren(isEmpty ? el('p', { class: 'quiet' }, texts.noArgs) : this.#args.element);
  }

  async #send() {
    const name = this.#name.value;
    const version = this.#version.value.trim();
    const mutation = {
      ...(this.#mid.value ? { mid: this.#mid.value } : {}),
      name,
      args: this.#args?.read() ?? {},
      ...(version ? { if_version: /^\d+$/.test(version) ? Number(version) : version } : {}),
    };
    setText(this.#said, texts.sending);
    this.#verdict.hidden = true;
    try {
      const isAway = this.#over.value === 'socket' && this.#line.status === 'offline';
      if (isAway) setText(this.#said, texts.queued);
      const verdict =
        this.#over.value === 'rest' ? (await this.#line.post([mutation]))[0] : await (isAway ? this.#line.mutateLater(mutation) : this.#line.mutate(mutation));
      setText(this.#said, [name, verdict.status, verdict.error?.code, verdict.error?.message, verdict.duplicate && 'duplicate'].filter(Boolean).join(' · '));
      this.#verdict.hidden = false;
      setText(this.#verdict, pretty(verdict));
    } catch (error) {
      setText(this.#said, String(/** @type {Error} */ (error).message));
    }
  }
}

/** @param {string} text  @param {HTMLElement} input  @param {string} [hint] */
export function labelled(text, input, hint) {
  return el('div', { class: 'field' }, el('label', { class: 'field-label', for: input.id }, text), input, hint && el('span', { class: 'quiet' }, hint));
}

/** @param {Json} schema  @param {string} id  @param {(name: string) => string} guess  @returns {Field} */
function objectField(schema, id, guess) {
  const required = new Set(schema.required ?? []);
  /** @type {Array<[string, Field]>} */
  const fields = Object.entries(schema.properties).map(([name, inner]) => {
    const label = required.has(name) ? name : `${name} (${texts.leaveOut})`;
    return [name, inner.type === 'object' ? nested(inner, `${id}-${name}`, label) : valueField(inner, `${id}-${name}`, required.has(name) ? name : `${name}?`, required.has(name) ? guess(name) : '')];
  });
  return {
    element: el('div', { class: 'stack tight' }, ...fields.map(([, field]) => field.element)),
    read: () => Object.fromEntries(fields.map(([name, field]) => [name, field.read()]).filter(([, value]) => value !== undefined)),
  };
}

/** @param {Json} schema  @param {string} id  @param {string} label  @returns {Field} */
function nested(schema, id, label) {
  const inner = objectField(schema, id, () => '');
  return { element: el('fieldset', { class: 'nested' }, el('legend', { class: 'field-label' }, label), inner.element), read: inner.read };
}

/** @param {Json} schema  @param {string} id  @param {string} label  @param {string} guess  @returns {Field} */
function valueField(schema, id, label, guess) {
  const types = [schema.type].flat();
  if (schema.enum || types.includes('boolean')) {
    const choices = schema.enum ?? ['true', 'false'];
    const select = /** @type {HTMLSelectElement} */ (
      el('select', { class: 'input', id }, el('option', { value: '' }, texts.leaveOut), ...choices.map((/** @type {string} */ value) => el('option', { value }, value)))
    );
    return { element: labelled(label, select), read: () => (select.value === '' ? undefined : schema.enum ? select.value : select.value === 'true') };
  }
  const isLong = types.includes('array') || schema.maxLength > LONG;
  const input = /** @type {HTMLInputElement | HTMLTextAreaElement} */ (
    el(isLong ? 'textarea' : 'input', { class: 'input', id, autocomplete: 'off', spellcheck: 'false', rows: isLong ? '3' : null, placeholder: placeholder(schema) })
  );
  input.value = guess;
  const none = /** @type {HTMLInputElement} */ (el('input', { type: 'checkbox', id: `${id}-null` }));
  const element = labelled(label, input, types.includes('array') ? texts.lines : undefined);
  if (types.includes('null')) element.append(el('label', { class: 'null-choice' }, none, el('code', {}, texts.isNull)));
  return {
    element,
    read() {
      if (none.checked) return null;
      if (types.includes('array')) return input.value.trim() ? input.value.trim().split(/\s*\n\s*/) : undefined;
      if (input.value === '') return undefined;
      const isNumber = types.includes('integer') || types.includes('number');
      return isNumber && input.value.trim() !== '' && Number.isFinite(Number(input.value)) ? Number(input.value) : input.value;
    },
  };
}

/** @param {Json} schema  @returns {string | null} */
function placeholder({ format, minLength, maxLength, minimum, maximum }) {
  if (format === 'date-time') return '2030-01-31T12:00:00Z';
  if (minimum !== undefined) return maximum < 1e6 ? `${minimum} to ${maximum}` : `from ${minimum}`;
  return maxLength ? `${minLength} to ${maxLength} characters` : null;
}

/** What one would have to look up in the state. @param {string} mutation  @param {string} field  @param {Json} state */
function suggest(mutation, field, state) {
  const [thing] = mutation.split('.');
  if (field === 'emoji') return '1F440';
  if (field === 'count') return '1';
  if (field === 'id' && thing === 'session') return state.session?.id ?? '';
  if (field === 'id' && thing === 'notification') return Object.keys(state.notifications?.items ?? {}).sort().at(-1) ?? '';
  if (field === 'id' && thing === 'custom_emoji') return Object.keys(state.custom_emojis ?? {})[0] ?? '';
  if (field === 'provider') return Object.keys(state.accounts ?? {})[0] ?? '';
  return '';
}
