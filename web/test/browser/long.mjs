// The page when it is open for hours, in a minute: so many changes that what is kept of each would be seen.
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { TestAgent } from '../agent.ts';
import { TestDemo } from '../demo.ts';
import { serve } from './site.mjs';
import { memoryOf } from './wait.mjs';

/** Fills rings, lanes and lists first: what has its place isn't a leak. */
const FIRST = 8000;
const CHANGES = 20_000;
/** 75 bytes of each change. The page takes those that come together as one, some thousand in all: of these it is 1 kB. */
const HEAP_BOUND = 1.5e6;
/** A node of each change would be more than that. The lanes have 200 pieces at most, and show those that are wide enough. */
const NODES_BOUND = 5000;
const LISTENERS_BOUND = 50;
/** Changes come in small bursts, so that the page takes and draws them all along. */
const BURST = 10;
const PAUSE_MS = 5;
const LEVELS = ['excellent', 'good', 'fair', 'poor', 'offline'];
const STATES = ['connected', 'reconnecting', 'suspended'];

export async function testLong(test) {
  await test('the page keeps nothing of 20,000 changes', { colorScheme: 'light' }, async (page) => {
    const [ada, bob, demo] = [new TestAgent(), new TestAgent(), new TestDemo()];
    bob.snapshot.session = { state: 'fresh', user: 'bob' };
    const site = await serve({ ada, bob, demo });
    try {
      await page.goto(`${site.origin}/#token=secret&panes=/ada,/bob&demo=/demo`);
      await page.locator('.faults').nth(1).waitFor();
      await page.locator('.chatsdk-indicator[data-status="excellent"]').nth(1).waitFor();
      const memory = await memoryOf(page);
      let n = 0;
      const play = async (changes) => {
        const drawn = await page.evaluate(() => globalThis.drawn);
        for (const end = n + changes; n < end; ) await change(++n, [ada, bob], demo);
        // Both have seen the last of it.
        for (const agent of [ada, bob]) agent.change({ outbox: { queued: n, entries: [] } });
        await page.locator('.legend', { hasText: `messages waiting ${n}` }).nth(1).waitFor();
        for (const scheme of ['dark', 'light']) await page.emulateMedia({ colorScheme: scheme }); // the charts are made anew
        return (await page.evaluate(() => globalThis.drawn)) - drawn;
      };
      await page.evaluate(() => {
        globalThis.drawn = 0;
        const { clearRect } = CanvasRenderingContext2D.prototype;
        CanvasRenderingContext2D.prototype.clearRect = function (...box) {
          globalThis.drawn++;
          return clearRect.apply(this, box);
        };
      });
      await play(FIRST);
      const before = await memory();
      const drawn = await play(CHANGES);
      const after = await memory();
      const grown = Object.fromEntries(Object.keys(before).map((key) => [key, after[key] - before[key]]));
      assert.ok(drawn > 40, `the charts were drawn ${drawn} times`);
      assert.ok(grown.heap < HEAP_BOUND, `the heap grew by ${grown.heap} bytes`);
      assert.ok(grown.nodes < NODES_BOUND, `${grown.nodes} more nodes`);
      assert.ok(grown.listeners < LISTENERS_BOUND, `${grown.listeners} more listeners`);
      const mb = (bytes) => (bytes / 1e6).toFixed(2);
      return `${mb(grown.heap)} MB more than ${mb(before.heap)}, ${grown.nodes} nodes and ${grown.listeners} listeners more; charts drawn ${drawn} times`;
    } finally {
      site.close();
    }
  });
}

/** One change of one client; at times a message, and news of the demo. */
async function change(n, agents, demo) {
  const agent = agents[n % 2];
  const level = LEVELS[n % LEVELS.length];
  const state = STATES[n % STATES.length];
  agent.change({
    quality: { level, reach: level === 'offline' ? 'offline' : 'online', reason: 'rtt', rttMs: n % 700, confidence: 1 },
    connection: { state, synced: n % 4 === 0, attempt: n % 9, circuit: n % 7 ? 'closed' : 'open' },
    outbox: { queued: n % 30, entries: [] },
  });
  if (n % 10 === 0) for (const each of agents) each.message('general', n / 10, `message ${n / 10}`);
  if (n % 100 === 0) demo.change({ server: { running: true, stored: n / 10 } });
  if (n % BURST === 0) await setTimeout(PAUSE_MS);
}
