import { afterEach } from 'vitest';
import { AgentStore, type AgentOptions, type Snapshot, type Store } from '@chatsdk/core';
import { TestAgent } from '../../../test/agent.ts';

/** until resolves with the first snapshot, the present one included, that the condition holds for. */
export function until(store: Store, holds: (s: Snapshot) => boolean): Promise<Snapshot> {
  return new Promise((resolve) => {
    let off: (() => void) | undefined;
    const look = (): void => {
      if (!holds(store.getSnapshot())) return;
      off?.();
      resolve(store.getSnapshot());
    };
    off = store.subscribe(look);
    look();
  });
}

/** soon looks again each turn of the event loop. */
export async function soon(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((next) => setImmediate(next));
}

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

export async function startAgent(): Promise<TestAgent> {
  const agent = await new TestAgent().start();
  ends.push(() => agent.stop());
  return agent;
}

/** A store with a subscriber, which stops when the test ends. */
export function open(agent: TestAgent | null, options: AgentOptions = {}): AgentStore {
  const store = new AgentStore({ url: agent?.url ?? 'http://agent', token: 'secret', ...options });
  store.subscribe(() => {});
  ends.push(() => store.stop());
  return store;
}

export async function connected(options: AgentOptions = {}): Promise<{ agent: TestAgent; store: AgentStore }> {
  const agent = await startAgent();
  const store = open(agent, options);
  await until(store, (s) => s.agent === 'connected');
  return { agent, store };
}

export const count = (agent: TestAgent, request: string): number => agent.requests.filter((r) => r === request).length;

/** random makes numbers from 0 to 1 that a seed decides (mulberry32). */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
