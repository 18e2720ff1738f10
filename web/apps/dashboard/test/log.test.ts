import { afterEach, expect, test } from 'vitest';
import { AgentStore, type EntryState, type Message, type OutboxEntry } from '@chatsdk/core';
import { TestAgent } from '../../../test/agent.ts';
import { nearest } from '../src/demo/slider.tsx';
import { KEPT, MessageLog, put } from '../src/log.ts';
import { stateOf, waitingOf } from '../src/outbox.tsx';
import { progressOf } from '../src/uploads.tsx';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const message = (seq: number): Message => ({
  channel: 'general',
  seq,
  id: `m${seq}`,
  user: 'bob',
  text: '',
  time: '',
  attachments: [],
  replay: false,
});
const seqs = (list: readonly Message[]): number[] => list.map((m) => m.seq);

test('put keeps order, has each once, and forgets the oldest', () => {
  const list = put([], [message(3), message(1), message(3)]);
  expect(seqs(list)).toEqual([1, 3]);
  expect(put(list, [message(1)])).toBe(list);
  expect(seqs(put(list, [message(2)]))).toEqual([1, 2, 3]);
  const many = Array.from({ length: KEPT + 5 }, (_, i) => message(i + 1));
  expect(seqs(put([], many))[0]).toBe(6);
});

async function watch(prepare: (agent: TestAgent) => void = () => {}) {
  const agent = await new TestAgent().start();
  prepare(agent);
  const store = new AgentStore({ url: agent.url, token: 'secret' });
  const log = new MessageLog(store, 'general');
  const off = log.subscribe(() => {});
  ends.push(
    () => agent.stop(),
    () => store.stop(),
    off,
  );
  return { agent, store, log, off };
}

/** has waits until the log shows these. */
async function has(log: MessageLog, want: readonly number[]): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (JSON.stringify(seqs(log.getSnapshot())) === JSON.stringify(want)) resolve();
    };
    ends.push(log.subscribe(look));
    look();
  });
}

const upTo = (n: number, from = 1): number[] => Array.from({ length: n - from + 1 }, (_, i) => from + i);

test('what was before, over more than one page of it, and what arrives', async () => {
  const { agent, log } = await watch((a) => {
    for (let seq = 1; seq <= 250; seq++) a.message('general', seq);
    a.message('other', 1);
  });
  await has(log, upTo(250));
  agent.message('general', 251);
  agent.message('other', 2);
  await has(log, upTo(251));
});

test('of a long channel the newest', async () => {
  const { log } = await watch((a) => {
    for (let seq = 1; seq <= 1000; seq++) a.message('general', seq);
    a.snapshot['channels'] = { general: { newest: 1000 } };
  });
  await has(log, upTo(1000, 701));
});

/** The agent goes, messages come meanwhile, and it is made another run: to be started. */
async function missed(agent: TestAgent, store: AgentStore, ...seqs: readonly number[]): Promise<void> {
  await agent.stop();
  await new Promise<void>((resolve) => {
    ends.push(store.subscribe(() => store.getSnapshot().agent === 'lost' && resolve()));
  });
  agent.messages.push(...seqs.map(message));
  agent.restartAs('run-2');
}

test('what was missed while the agent was gone', async () => {
  const { agent, store, log } = await watch((a) => a.message('general', 1));
  await has(log, [1]);
  await missed(agent, store, 2, 3);
  await agent.start();
  await has(log, [1, 2, 3]);
});

test('what was missed, though something newer arrives before it is asked for', async () => {
  const { agent, store, log } = await watch((a) => a.message('general', 1));
  await has(log, [1]);
  await missed(agent, store, 2, 3);
  // The whole state is older than the message that the stream begins with.
  agent.override['/v1/state'] = (q, r) => {
    delete agent.override['/v1/state'];
    agent.serve(q, r);
    agent.message('general', 4);
  };
  await agent.start();
  await has(log, [1, 2, 3, 4]);
});

test('progress', () => {
  const upload = { id: '', name: '', channel: '', sent: 40, total: 100, resumedFrom: 0, error: '', bps: null };
  expect(progressOf({ ...upload, state: 'sending' })).toBe('40%');
  expect(progressOf({ ...upload, state: 'sending', resumedFrom: 25, bps: 12_000_000 })).toBe('40%, resumed from 25%, 1.5 MB/s');
  expect(progressOf({ ...upload, state: 'waiting', bps: 1 })).toBe('40%, waiting');
  expect(progressOf({ ...upload, state: 'failed', error: 'too large' })).toBe('40%, failed: too large');
  expect(progressOf({ ...upload, state: 'queued', sent: 0, total: 0 })).toBe('0%, queued');
});

test('one’s own messages on their way, in words', () => {
  const entry = (id: string, state: EntryState, reason = '', channel = 'general'): OutboxEntry => ({ id, channel, text: '', state, reason, seq: 0, at: '' });
  const entries = [
    entry('m1', 'sent'),
    entry('m2', 'sent'),
    entry('m3', 'cancelled', 'cancelled'),
    entry('m4', 'parked', 'forbidden'),
    entry('m5', 'sending'),
    entry('m6', 'queued', 'network'),
    entry('m7', 'queued', 'network', 'other'),
  ];
  // What the channel shows already, what was taken back, and what belongs elsewhere isn't among them.
  const waiting = waitingOf(entries, 'general', [message(1)]);
  expect(waiting.map((e) => e.id)).toEqual(['m2', 'm4', 'm5', 'm6']);
  expect(waiting.map(stateOf)).toEqual(['sent', 'not sent: forbidden', 'is being sent', 'waits for the network']);
  expect(stateOf({ state: 'queued', reason: '' })).toBe('waits');
  expect(stateOf({ state: 'queued', reason: 'something new' })).toBe('waits: something new');
});

test('a slider stands at the step that is closest', () => {
  expect([0, 59, 91, 5000].map((v) => nearest([0, 60, 120], v))).toEqual([0, 1, 2, 2]);
});
