/**
 * The promises, each tried for real: what is promised, and what happened when it was put to the test.
 *
 * A trial says what it does and sees, step by step, and gives whether the promise was kept. It
 * is what a client author would otherwise have to write to believe the documentation.
 *
 * @import {Json, Line} from './line.js'
 *
 * @typedef {object} Trial
 * @property {string} id
 * @property {string} title
 * @property {string} promise  One sentence of docs/protocol.md, in effect.
 * @property {(line: Line, tell: (text: string) => void) => Promise<boolean>} run
 */
import { freshMid } from './line.js';

const EYES = '1F440';
const use = (/** @type {number} */ count = 1) => ({ mid: freshMid(), name: 'emoji.use', args: { emoji: EYES, count } });
const isEntry = (/** @type {Json} */ frame) => frame.type === 'entry';
const said = (/** @type {Json} */ verdict) => [verdict.status, verdict.error?.code, verdict.seq !== undefined && `seq ${verdict.seq}`, verdict.duplicate && 'duplicate'].filter(Boolean).join(', ');

/** Waits until an entry with the verdict of `mid` is applied. @param {Line} line  @param {string} mid */
const verdictOf = (line, mid) => line.expect((frame) => isEntry(frame) && frame.items.some((/** @type {Json} */ item) => item.mid === mid), 20_000);

/** @type {ReadonlyArray<Trial>} */
export const TRIALS = [
  {
    id: 'duplicate',
    title: 'The same mid again',
    promise: 'One mid takes effect at most once, over whatever way and however often it is sent, and always gets the same verdict.',
    async run(line, tell) {
      const mutation = use();
      const first = await line.mutate(mutation);
      tell(`Over the socket: ${said(first)}.`);
      const second = await line.mutate(mutation);
      tell(`The very same again: ${said(second)}.`);
      const [third] = await line.post([mutation]);
      tell(`And over REST: ${said(third)}.`);
      return first.status === 'confirmed' && second.duplicate === true && third.duplicate === true && first.seq === second.seq && second.seq === third.seq;
    },
  },
  {
    id: 'mid-reused',
    title: 'The same mid for something else',
    promise: 'A mid that was used is refused with other arguments: mid_reused, and nothing happens.',
    async run(line, tell) {
      const mutation = use();
      tell(`With count 1: ${said(await line.mutate(mutation))}.`);
      const before = line.cursor;
      const other = await line.mutate({ ...mutation, args: { emoji: EYES, count: 2 } });
      tell(`With count 2 under the same mid: ${said(other)}. The cursor stayed at ${line.cursor}.`);
      return other.error?.code === 'mid_reused' && line.cursor === before;
    },
  },
  {
    id: 'conflict',
    title: 'A version that is not the newest',
    promise: 'With if_version a change becomes compare-and-swap: a stale one is rolled back with conflict, and says what is there now.',
    async run(line, tell) {
      const held = line.state.preferences;
      const asked = { name: 'preferences.set', args: { values: { theme: held.theme } }, if_version: held.version - 1 };
      tell(`Your preferences have version ${held.version}; this asks as if it were still ${asked.if_version}.`);
      const verdict = await line.mutate(asked);
      tell(`${said(verdict)}; current.preferences.version is ${verdict.current?.preferences?.version}.`);
      return verdict.error?.code === 'conflict' && verdict.current?.preferences?.version === held.version;
    },
  },
  {
    id: 'resume',
    title: 'A line that is cut, and a return by the cursor',
    promise: 'A client that comes back with its cursor gets exactly what it missed, in order, and no fresh state.',
    async run(line, tell) {
      await line.live();
      const from = line.cursor;
      line.goOffline();
      const missed = [use(), use(), use()];
      await line.post(missed);
      tell(`The socket was cut at ${from}. Meanwhile another way in made three changes.`);
      const [welcome, last] = [line.expect(({ type }) => type === 'welcome'), verdictOf(line, missed[2].mid)];
      line.open();
      const { resumed, cursor } = await welcome;
      tell(`Back with that cursor: resumed is ${resumed}, the head is ${cursor}.`);
      await last;
      tell(`All three came, one after the other: now at ${line.cursor}.`);
      return resumed === true && Number(line.cursor?.split('.')[1]) >= Number(from?.split('.')[1]) + 3;
    },
  },
  {
    id: 'offline',
    title: 'A change made offline',
    promise: 'A change that was never answered is sent again under its mid, and takes effect once, even if it had arrived.',
    async run(line, tell) {
      await line.live();
      line.goOffline();
      const mutation = use();
      const verdict = line.mutateLater(mutation);
      tell('Without a line, a change was made and kept here.');
      const [before] = await line.post([mutation]);
      tell(`As if it had left in the last moment, it arrives by another way: ${said(before)}.`);
      line.open();
      const again = await verdict;
      tell(`Back online it is sent again, because nobody knew: ${said(again)}.`);
      return before.status === 'confirmed' && again.status === 'confirmed' && again.seq === before.seq;
    },
  },
  {
    id: 'slow',
    title: 'A reader that falls behind',
    promise: 'A client that is behind the head asks with resume, gets every entry after its cursor, and drops what it knows by its seq.',
    async run(line, tell) {
      await line.live();
      const from = line.cursor;
      line.hold(true);
      const burst = [use(), use(), use(), use(), use()];
      await line.post(burst);
      tell(`Five entries were left lying: the cursor stayed at ${line.cursor}.`);
      const stayed = line.cursor === from;
      const last = verdictOf(line, burst[4].mid);
      line.hold(false);
      await last;
      tell(`Asked with resume, all five came again, in order: ${line.cursor}. (A browser reads its socket for us. A client that really does not read is closed with 4201 once a megabyte waits, and comes back the same way.)`);
      return stayed && Number(line.cursor?.split('.')[1]) >= Number(from?.split('.')[1]) + 5;
    },
  },
  {
    id: 'bad-frame',
    title: 'A frame that makes no sense',
    promise: 'What cannot be understood gets an error, and the line stays.',
    async run(line, tell) {
      const codes = [];
      for (const text of ['{"type": "mutate", ', '{"type": "dance"}', '{"type": "mutate", "mid": "!", "name": "emoji.use", "args": {}}']) {
        const answer = line.expect(({ type }) => type === 'error');
        line.sendText(text);
        const { error } = await answer;
        codes.push(error.code);
        tell(`${text} gets ${error.code}.`);
      }
      const after = await line.mutate(use());
      tell(`And the line still works: ${said(after)}.`);
      return codes.join() === 'bad_json,unknown_type,bad_frame' && after.status === 'confirmed';
    },
  },
];
