// What an agent says that it shouldn't: the page says what is so, keeps nothing of it, and is right again afterwards.
import assert from 'node:assert/strict';
import { TestAgent } from '../agent.ts';
import { memoryOf, until } from './wait.mjs';

/** As long as the store reads on in search of a line's end, and one byte more. */
const ENDLESS = 'x'.repeat((4 << 20) + 1);
const MALFORMED = [
  'event: change\nid: ID\ndata: {"quality\n\n',
  'event: change\nid: ID\ndata: {"quality":{"level":7}}\n\n',
  'event: message\nid: ID\ndata: {"seq":1}\n\n',
  `event: change\nid: ID\ndata: ${ENDLESS}`,
  `event: change\nid: ID\n${'data: x\n'.repeat(700_000)}\n`,
];

export async function testBadInput(test, accessible, origin) {
  const shown = (page, status) => page.locator(`.chatsdk-indicator[data-status="${status}"]`).nth(19).waitFor();
  const open = async (page, agent) => {
    await page.goto(`${origin}/many.html?agent=${encodeURIComponent(agent.url)}#token=secret`);
    await shown(page, 'excellent');
  };
  // Chromium itself logs each request that is refused.
  const forgive = (errors) => errors.splice(0, errors.length, ...errors.filter((e) => !/net::ERR_|CORS policy/.test(e)));

  await test('malformed events: skipped and counted, and nothing of them is kept', {}, async (page) => {
    const agent = await new TestAgent().start();
    try {
      await open(page, agent);
      const memory = await memoryOf(page);
      const before = await memory();
      for (const [i, bad] of MALFORMED.entries()) {
        await until(() => agent.streams.size > 0);
        agent.snapshot.outbox = { queued: i + 1 };
        agent.raw(bad.replace('ID', ++agent.seq));
        await page.waitForFunction((n) => globalThis.store.getSnapshot().agentInfo.malformed === n, i + 1);
        // The whole state brings what the event can't.
        await page.locator('#queued', { hasText: new RegExp(`^${i + 1}$`) }).waitFor();
      }
      await shown(page, 'excellent');
      assert.equal(await page.locator('.chatsdk-banner').count(), 0);
      await until(() => agent.streams.size > 0);
      assert.equal(agent.streams.size, 1);
      const grown = (await memory()).heap - before.heap;
      assert.ok(grown < 2e6, `the heap grew by ${grown} bytes`);
      return `${(grown / 1e6).toFixed(2)} MB more after ${MALFORMED.length} of them`;
    } finally {
      await agent.stop();
    }
  });

  await test('an agent of another version is said, and tried again at a click', {}, async (page, errors) => {
    const agent = await new TestAgent().start();
    try {
      await open(page, agent);
      await agent.stop();
      agent.restartAs('run-2');
      agent.schema = 2;
      await agent.start();
      await shown(page, 'agent-incompatible');
      await page.locator('.chatsdk-banner[data-status="agent-incompatible"]').waitFor();
      await accessible(page);
      assert.equal(agent.streams.size, 0);
      agent.schema = 1;
      await page.getByRole('button', { name: 'Try now' }).click(); // by itself it would wait for 15 s and more
      await page.locator('.chatsdk-indicator[data-status="excellent"]').first().waitFor({ timeout: 10_000 });
      forgive(errors);
    } finally {
      await agent.stop();
    }
  });

  await test('an agent that lets other pages in alone is lost to this one', {}, async (page, errors) => {
    const agent = await new TestAgent().start();
    try {
      await open(page, agent);
      agent.allowsOrigin = false; // as of the next start, with 403 and without CORS
      await agent.stop();
      await agent.start();
      await shown(page, 'agent-lost');
      await page.locator('.chatsdk-banner[data-status="agent-lost"]').waitFor();
      const began = agent.requests.length;
      await page.waitForTimeout(3000);
      const asked = agent.requests.length - began;
      assert.ok(asked >= 1 && asked <= 6, `asked ${asked} times in 3 s`);
      agent.allowsOrigin = true;
      await shown(page, 'excellent');
      await until(() => agent.streams.size > 0);
      assert.equal(agent.streams.size, 1);
      forgive(errors);
    } finally {
      await agent.stop();
    }
  });
}
