/**
 * The optimistic store: what the server confirmed, and over it what this person has done since.
 *
 * `base` changes only by entries and snapshots; `view` is `base` with the predictions of
 * all pending changes replayed over it in order. An entry is applied as a whole, with the
 * change it confirms taken out in the same step, so no reader ever sees an older
 * confirmed value over a newer pending one. No clock, no network, no storage in here.
 *
 * @import {Change, Entry, Json, Saved, Saving, State, Verdict} from './types.js'
 * @import {Cursor} from './cursor.js'
 * @import {Phase, Step} from './journey.js'
 * @import {Signal} from './delivery.js'
 *
 * @typedef {{mid: string, from: Phase, step: Step, to: Phase}} Stepped
 * @typedef {{steps: Stepped[], ended: Change[], isChanged: boolean}} News  `isChanged`: the list of changes did.
 */
import { formatCursor, isBehind, parseCursor } from './cursor.js';
import { isFailed, isPending, nextDelivery } from './delivery.js';
import { localError } from './errors.js';
import { nextPhase, stepsOfApplying, stepsOfBeginning, stepsOfVerdict } from './journey.js';
import { applyPatch } from './merge-patch.js';
import { predict } from './mutations.js';

/** What the server calls a thing is not known before it made it. @param {string} mid */
export const placeholderId = (mid) => `new.${mid}`;

export class Replica {
  /** @type {State} */
  base = {};
  /** @type {Cursor | null} */
  cursor = null;
  /** @type {Map<string, Change>} In the order in which the person made them. */
  #changes = new Map();
  /** @type {Map<string, string>} Placeholder to the name that the server gave. */
  #names = new Map();
  /** @type {State | null} */
  #view = null;
  /** @type {News} */
  #news = { steps: [], ended: [], isChanged: false };
  #dirty = { base: false, replace: false, put: /** @type {Set<string>} */ (new Set()), remove: /** @type {Set<string>} */ (new Set()) };

  /** @param {Saved} saved */
  restore(saved) {
    this.cursor = parseCursor(saved.cursor);
    this.base = this.cursor ? saved.state : {};
    this.#changes = new Map();
    this.#names = new Map();
    for (const change of saved.changes) {
      this.#changes.set(change.mid, doubted(change));
      if (change.delivery === 'confirmed') this.#rename(change, change.result);
    }
    for (const change of this.changes) this.#resolve(change);
    this.#dropApplied();
    this.#news.isChanged = true;
    this.#view = null;
  }

  /**
   * Takes up where another tab stopped: what it saved, and what only we know. Where both
   * know of a change, an end counts more than a hope.
   *
   * @param {Saved} saved
   */
  takeOver(saved) {
    const theirs = parseCursor(saved.cursor);
    if (theirs && (!this.cursor || this.cursor.epoch !== theirs.epoch || isBehind(this.cursor, theirs))) {
      this.cursor = theirs;
      this.base = saved.state;
    }
    const own = this.#changes;
    const all = new Map(saved.changes.map((change) => [change.mid, change]));
    for (const change of own.values()) {
      const other = all.get(change.mid);
      if (!other || isPending(other)) all.set(change.mid, change);
    }
    const changes = [...all.values()].sort((one, other) => (one.mid < other.mid ? -1 : 1));
    const names = this.#names;
    this.restore({ cursor: this.cursor && formatCursor(this.cursor), state: this.base, changes });
    for (const [placeholder, name] of names) this.#names.set(placeholder, name);
    for (const change of this.changes) this.#resolve(change);
  }

  /**
   * Shows what the tab that holds the line has told. It has saved it already.
   *
   * @param {Saving} saving
   * @param {Change[]} ended
   */
  follow({ base, put = [], remove = [] }, ended) {
    if (base) {
      this.cursor = parseCursor(base.cursor);
      this.base = base.state;
    }
    for (const change of [...put, ...ended]) this.#learnName(change);
    for (const change of put) this.#changes.set(change.mid, change);
    for (const mid of remove) this.#changes.delete(mid);
    this.#news.isChanged ||= put.length > 0 || remove.length > 0;
    this.#view = null;
  }

  /** @returns {State} */
  get view() {
    this.#view ??= this.#compute();
    return this.#view;
  }

  /** @returns {Change[]} */
  get changes() {
    return [...this.#changes.values()];
  }

  /** @param {string} mid */
  change(mid) {
    return this.#changes.get(mid);
  }

  /** The server's name for a placeholder, or the id itself. @param {string} id */
  nameOf(id) {
    return this.#names.get(id) ?? id;
  }

  /** What this person does, now that it is saved. @param {Change} change  @param {boolean} isValid  @returns {Change} */
  begin(change, isValid) {
    const moment = { at: change.created_at, id: placeholderId(change.mid) };
    const predicted = isValid && predict(this.view, change.name, change.args, moment) !== null;
    this.add({ ...change, phase: 'Idle' }, stepsOfBeginning({ valid: isValid, predicted }));
    const begun = /** @type {Change} */ (this.#changes.get(change.mid));
    if (isFailed(begun)) this.#news.ended.push(begun);
    return begun;
  }

  /**
   * Takes up a change that is saved.
   *
   * @param {Change} change
   * @param {Step[]} [steps]  The way it has gone so far; none if it was made in another tab.
   */
  add(change, steps = []) {
    this.#changes.set(change.mid, this.#walk(change, steps));
    this.#news.isChanged = true;
    this.#view = null;
    this.#resolve(change);
  }

  /**
   * @param {Entry} entry
   * @returns {'applied' | 'known' | 'gap'} After `gap` nothing has changed; the client has to resume.
   */
  applyEntry(entry) {
    if (!this.cursor) return 'gap';
    const position = this.cursor[entry.stream];
    if (position === undefined || entry.seq > position + 1) return 'gap';
    const isNew = entry.seq === position + 1;
    if (isNew) {
      for (const item of entry.items) {
        if (item.patch !== undefined) this.base = applyPatch(this.base, item.patch);
      }
      this.cursor = { ...this.cursor, [entry.stream]: entry.seq };
      this.#dirty.base = true;
      this.#view = null;
    }
    // Verdicts of a known entry count too: a snapshot may have brought the effects before.
    for (const item of entry.items) {
      if (item.kind !== 'verdict' || !item.mid || !item.status) continue;
      this.settle(/** @type {Verdict} */ ({ ...item, seq: entry.stream === 'user' ? entry.seq : item.seq }));
    }
    this.#dropApplied();
    return isNew ? 'applied' : 'known';
  }

  /** A fresh state from the server takes the place of the old. @param {Cursor} cursor  @param {State} state */
  reset(cursor, state) {
    this.base = state;
    this.cursor = cursor;
    this.#dirty.base = true;
    this.#dirty.replace = true;
    this.#view = null;
    this.#dropApplied();
  }

  /**
   * The end of a change. Its prediction stays in the view until the entry that its `seq`
   * names has been applied: over REST a verdict may be here before its effects are.
   *
   * @param {Verdict} verdict
   */
  settle(verdict) {
    const change = this.#changes.get(verdict.mid);
    if (!change || !isPending(change)) return;
    const confirmed = verdict.status === 'confirmed';
    const { seq, result, error, current } = verdict;
    this.#signal(change, confirmed ? 'confirm' : 'reject', { seq, result, error, current }, stepsOfVerdict(change.phase, confirmed));
    if (confirmed) this.#rename(change, result);
    else this.#failDependents(change.mid);
    this.#dropApplied();
  }

  /**
   * Anything else that the wire tells about a change.
   *
   * @param {string} mid
   * @param {Signal} signal
   * @param {Partial<Change>} [facts]
   */
  signal(mid, signal, facts = {}) {
    const change = this.#changes.get(mid);
    if (!change) return;
    const failed = signal === 'reject' || signal === 'expire';
    if (!this.#signal(change, signal, facts, failed ? stepsOfVerdict(change.phase, false) : [])) return;
    if (failed) this.#failDependents(mid);
  }

  /** The person has seen how it ended. @param {string} mid */
  acknowledge(mid) {
    const change = this.#changes.get(mid);
    if (!change || !isFailed(change)) return;
    this.#walk(change, ['acknowledge']);
    this.#forget(mid);
  }

  /** Takes back a change that never left this device. @param {string} mid  @returns {boolean} Whether it could be. */
  withdraw(mid) {
    const change = this.#changes.get(mid);
    if (!change || change.delivery !== 'queued' || change.attempts > 0) return false;
    this.#forget(mid);
    this.#view = null;
    this.#failDependents(mid);
    return true;
  }

  /** What has happened since the last call. @returns {News} */
  takeNews() {
    const news = this.#news;
    this.#news = { steps: [], ended: [], isChanged: false };
    return news;
  }

  /** What has to be saved since the last call. @returns {Saving | null} */
  takeSaving() {
    const { base, replace, put, remove } = this.#dirty;
    if (!base && !put.size && !remove.size) return null;
    this.#dirty = { base: false, replace: false, put: new Set(), remove: new Set() };
    return {
      base: base ? { cursor: this.cursor && formatCursor(this.cursor), state: this.base, replace } : undefined,
      put: [...put].flatMap((mid) => this.#changes.get(mid) ?? []),
      remove: [...remove],
    };
  }

  #compute() {
    let state = this.base;
    for (const change of this.#changes.values()) {
      if (isFailed(change)) continue;
      const placeholder = placeholderId(change.mid);
      const patch = predict(state, change.name, change.args, { at: change.created_at, id: this.nameOf(placeholder) });
      if (patch) state = applyPatch(state, patch);
    }
    return state;
  }

  /** @param {Change} change  @param {Signal} signal  @param {Partial<Change>} facts  @param {Step[]} steps */
  #signal(change, signal, facts, steps) {
    const delivery = nextDelivery(change.delivery, signal);
    if (!delivery) return false;
    const known = Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
    const next = this.#walk({ ...change, ...known, delivery }, steps);
    this.#put(next);
    if (isFailed(next)) this.#news.ended.push(next);
    return true;
  }

  /** @param {Change} change  @param {Step[]} steps  @returns {Change} */
  #walk(change, steps) {
    let phase = change.phase;
    for (const step of steps) {
      const to = nextPhase(phase, step);
      if (!to) throw new Error(`no step ${step} from ${phase}`);
      this.#news.steps.push({ mid: change.mid, from: phase, step, to });
      phase = to;
    }
    return { ...change, phase };
  }

  /** Lets go of every confirmed change whose effects the base now holds. */
  #dropApplied() {
    for (const change of this.#changes.values()) {
      if (change.delivery !== 'confirmed') continue;
      if (change.seq !== undefined && this.cursor && change.seq > this.cursor.user) continue;
      const ended = this.#walk(change, stepsOfApplying(change.phase));
      this.#news.ended.push(ended);
      this.#forget(change.mid);
    }
  }

  /** What was made has its name now: later changes that meant it can say so. @param {Change} change  @param {Json} [result] */
  #rename({ mid, name }, result) {
    this.#learnName({ mid, name, result });
    for (const change of this.changes) if (change.needs?.mid === mid) this.#resolve(change);
  }

  /** @param {Pick<Change, 'mid' | 'name' | 'result'>} change */
  #learnName({ mid, name, result }) {
    const id = result?.session?.id;
    if (name === 'session.start' && typeof id === 'string') this.#names.set(placeholderId(mid), id);
  }

  /** Gives a change the name that it waits for; without hope of one it has failed. @param {Change} change */
  #resolve({ mid, needs }) {
    const change = this.#changes.get(mid);
    if (!needs || !change || !isPending(change)) return;
    const name = this.#names.get(placeholderId(needs.mid));
    const earlier = this.#changes.get(needs.mid);
    if (name !== undefined) {
      const { needs: _needs, ...rest } = change;
      this.#put({ ...rest, args: { ...change.args, [needs.arg]: name } });
    } else if (!earlier || isFailed(earlier)) {
      this.signal(mid, 'reject', { error: localError('needs_earlier') });
    }
  }

  /** What was to be changed will never exist. @param {string} mid */
  #failDependents(mid) {
    for (const change of [...this.#changes.values()]) {
      if (change.needs?.mid === mid) this.signal(change.mid, 'reject', { error: localError('needs_earlier') });
    }
  }

  /** @param {Change} change */
  #put(change) {
    this.#changes.set(change.mid, change);
    this.#dirty.put.add(change.mid);
    this.#dirty.remove.delete(change.mid);
    this.#news.isChanged = true;
    this.#view = null;
  }

  /** @param {string} mid */
  #forget(mid) {
    this.#changes.delete(mid);
    this.#dirty.put.delete(mid);
    this.#dirty.remove.add(mid);
    this.#news.isChanged = true;
    this.#view = null;
  }
}

/** It was on its way when its page went: nobody knows how far it came. @param {Change} change  @returns {Change} */
function doubted(change) {
  return change.delivery === 'sent' ? { ...change, delivery: 'in_doubt' } : change;
}
