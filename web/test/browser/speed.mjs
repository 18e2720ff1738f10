// How soon a page shows what its agent tells: from the event that the agent sends to the words in the page.
import assert from 'node:assert/strict';
import { EMPTY } from '../../packages/core/src/snapshot.ts';
import { STATES } from '../states.ts';
import { TestAgent } from '../agent.ts';
import { until } from './wait.mjs';

const BOUND_MS = 100;
const ROUNDS = 5;
/** What an agent can't tell: the page finds out by itself. */
const OF_ITSELF = ['unknown', 'agent lost', 'agent refused', 'agent incompatible'];
/** Parts that every event has, so that nothing is left of the state before. */
const FIRST = {
  quality: EMPTY.quality,
  connection: EMPTY.connection,
  session: { ...EMPTY.session, state: 'fresh', user: 'ada' },
  outbox: EMPTY.outbox,
};

export async function testSpeed(test, origin) {
  await test('each state is shown within 100 ms of the agent’s event', {}, async (page, errors) => {
    const agent = await new TestAgent().start();
    try {
      await open(page, agent, origin);
      const told = STATES.filter(({ patch }) => (patch.agent ?? 'connected') === 'connected');
      assert.equal(told.length, STATES.length - OF_ITSELF.length);
      const took = new Map(told.map(({ name }) => [name, []]));
      for (let round = 0; round < ROUNDS; round++) {
        for (const { name, patch, status, text } of told) {
          // Both clocks are the machine's. What the page sees when is noted by itself: asking it would be in the time.
          const shown = page.evaluate(([status, text]) => globalThis.shows(status, text), [status, text]);
          await page.evaluate(() => {}); // it waits for it now
          const began = Date.now();
          agent.change(whole(patch));
          took.get(name).push((await shown) - began);
        }
      }
      const lost = await lostAndBack(page, agent);
      const worst = check(took);
      forgive(errors);
      return `after ${worst.ms} ms at worst (${worst.name}), each the middle of ${ROUNDS}; a killed agent ${middleOf(lost)} ms after it was known`;
    } finally {
      await agent.stop();
    }
  });
}

async function open(page, agent, origin) {
  await page.goto(`${origin}/many.html?agent=${encodeURIComponent(agent.url)}#token=secret`);
  await page.locator('.chatsdk-indicator[data-status="excellent"]').nth(19).waitFor();
  await until(() => agent.streams.size === 1);
  await page.evaluate(() => {
    const all = [...document.querySelectorAll('.chatsdk-indicator')];
    /** Resolves with the time when each of the twenty shows it. */
    globalThis.shows = (status, text) =>
      new Promise((resolve, reject) => {
        setTimeout(() => reject(new Error(`not ${text}, but ${all[0].textContent}`)), 5000);
        const look = () => {
          if (!all.every((e) => e.dataset.status === status && e.textContent === `Connection: ${text}`)) return;
          observer.disconnect();
          resolve(Date.now());
        };
        const observer = new MutationObserver(look);
        observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
        look();
      });
  });
}

/** Kills the agent, and starts it again, some times; returns how long each took from the store to the page. */
async function lostAndBack(page, agent) {
  const { status, text } = STATES.find(({ name }) => name === 'agent lost');
  const took = [];
  for (let round = 0; round < ROUNDS; round++) {
    const shown = page.evaluate(
      async ([status, text]) => {
        let known;
        const off = globalThis.store.subscribe(() => {
          if (globalThis.store.getSnapshot().agent === 'lost') known ??= Date.now();
        });
        const at = await globalThis.shows(status, text);
        off();
        return at - known;
      },
      [status, text],
    );
    await page.evaluate(() => {});
    await agent.stop();
    took.push(await shown);
    await agent.start();
    await page.locator('.chatsdk-indicator:not([data-status="agent-lost"])').nth(19).waitFor();
    await until(() => agent.streams.size === 1);
  }
  const ms = middleOf(took);
  assert.ok(ms < BOUND_MS, `agent lost: shown ${ms} ms after it was known`);
  return took;
}

/** Fails for a state that took too long in the middle of its rounds; returns the slowest. */
function check(took) {
  const all = [...took].map(([name, times]) => ({ name, ms: middleOf(times) }));
  for (const { name, ms } of all) assert.ok(ms < BOUND_MS, `${name}: shown ${ms} ms after the event: ${took.get(name)}`);
  return all.reduce((a, b) => (b.ms > a.ms ? b : a));
}

function whole(patch) {
  return Object.fromEntries(Object.entries(FIRST).map(([key, first]) => [key, { ...first, ...patch[key] }]));
}

function middleOf(times) {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)];
}

/** Chromium itself logs each request that is refused. */
function forgive(errors) {
  errors.splice(0, errors.length, ...errors.filter((e) => !/net::ERR_/.test(e)));
}
