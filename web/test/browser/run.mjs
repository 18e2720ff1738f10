// The packages in a real Chromium: what the unit tests can't see. Screenshots go to test/output.
//
//   npm run test:browser [-- PART OF A NAME] [--screens]   # CHROMIUM=/path/to/chromium, default /usr/bin/chromium
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';
import { testBadInput } from './badinput.mjs';
import { testDashboard } from './dashboard.mjs';
import { testDemo } from './demo.mjs';
import { serveExample } from './example.mjs';
import { testLong } from './long.mjs';
import { testMatrix } from './matrix.mjs';
import { testMonitor } from './monitor.mjs';
import { testPanel } from './panel.mjs';
import { testSpeed } from './speed.mjs';
import { memoryOf, until } from './wait.mjs';
import { TestAgent } from '../agent.ts';

const wanted = process.argv.slice(2).find((a) => !a.startsWith('--')) ?? '';
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(executablePath)) {
  console.error(`no Chromium at ${executablePath}: apt-get install chromium, or set CHROMIUM`);
  process.exit(1);
}
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const output = at('../output/');
rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const alias = [
  { find: '@chatsdk/react/style.css', replacement: at('../../packages/react/src/style.css') },
  { find: '@chatsdk/core/monitor', replacement: at('../../packages/core/src/monitor/index.ts') },
  { find: '@chatsdk/core', replacement: at('../../packages/core/src/index.ts') },
  { find: '@chatsdk/react', replacement: at('../../packages/react/src/index.ts') },
];
// The development build of React, as StrictMode doubles effects there only.
const vite = await createServer({
  root: at('.'),
  configFile: false,
  logLevel: 'error',
  cacheDir: at('../../node_modules/.vite-browser'),
  server: { host: '127.0.0.1', port: 0, hmr: false, watch: null, fs: { allow: [at('../..')] } },
  resolve: { alias },
  optimizeDeps: { include: ['react', 'react-dom/client', 'react/jsx-runtime', 'react/jsx-dev-runtime'] },
});
await vite.listen();
const origin = `http://127.0.0.1:${vite.httpServer.address().port}`;
const browser = await chromium.launch({ executablePath, args: ['--disable-dev-shm-usage'] });

let failed = 0;
/** Runs one test on a page of its own. What the page logs as an error fails it, but for what it says it expects. */
async function test(name, options, run) {
  if (!name.includes(wanted)) return;
  const began = performance.now();
  const context = await browser.newContext({ viewport: { width: 1100, height: 940 }, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && errors.push(m.text()));
  page.on('pageerror', (e) => errors.push(String(e)));
  try {
    const said = await run(page, errors);
    assert.deepEqual(errors, [], 'console');
    console.log(`ok   ${name} (${Math.round(performance.now() - began)} ms)${said ? `: ${said}` : ''}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}\n${error.stack}`);
    await page.screenshot({ path: `${output}failed ${name.replaceAll('/', ' ')}.png` }).catch(() => {});
  } finally {
    await context.close();
  }
}

/** Fails for anything that axe finds, and for a second voice. */
async function accessible(page) {
  const voices = await page.locator('[role=status], [role=alert], [aria-live], output').evaluateAll((all) => all.map((e) => e.outerHTML));
  assert.ok(voices.length <= 1, `${voices.length} live regions: ${voices.join(' ')}`);
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run();
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`);
  });
  assert.deepEqual(found, [], 'axe');
}

const looks = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  'forced-colors': { colorScheme: 'dark', forcedColors: 'active' },
  'reduced-motion': { colorScheme: 'light', reducedMotion: 'reduce' },
};
for (const [name, options] of Object.entries(looks)) {
  await test(`gallery, ${name}`, options, async (page) => {
    await page.goto(`${origin}/gallery.html`);
    await page.locator('.chatsdk-indicator').last().waitFor();
    await page.locator('.chatsdk-banner[data-status="offline"] .chatsdk-retry').waitFor();
    // What stands still is the same in each screenshot.
    if (name !== 'reduced-motion') await page.addStyleTag({ content: '* { animation: none !important; transition: none !important }' });
    await page.screenshot({ path: `${output}gallery-${name}.png`, fullPage: true });
    await accessible(page);
    const moving = await page.evaluate(() => document.getAnimations().length);
    assert.equal(moving, 0, 'animations');
  });
}

await test('what moves moves, where it may', { reducedMotion: 'no-preference' }, async (page) => {
  await page.goto(`${origin}/gallery.html`);
  await page.locator('.chatsdk-indicator').last().waitFor();
  assert.equal(await page.evaluate(() => document.getAnimations().length), 1);
});

await test('forced colours decide', { forcedColors: 'active' }, async (page) => {
  await page.goto(`${origin}/gallery.html`);
  const strokes = await page.locator('.chatsdk-bars rect').evaluateAll((all) => all.map((r) => getComputedStyle(r).stroke));
  assert.equal(new Set(strokes).size, 1, String([...new Set(strokes)]));
});

await test('a theme around decides against the system', { colorScheme: 'dark' }, async (page) => {
  await page.goto(`${origin}/gallery.html`);
  const ground = () =>
    page.locator('.chatsdk-indicator').first().evaluate((e) => getComputedStyle(e).backgroundColor);
  const dark = await ground();
  await page.evaluate(() => (document.documentElement.dataset.theme = 'light'));
  const light = await ground();
  await page.emulateMedia({ colorScheme: 'light' });
  assert.equal(await ground(), light);
  await page.evaluate(() => (document.documentElement.dataset.theme = 'dark'));
  assert.equal(await ground(), dark);
  assert.notEqual(dark, light);
});

await test('each state is shown within 100 ms of being known', {}, async (page) => {
  await page.goto(`${origin}/live.html`);
  await page.locator('.chatsdk-indicator').waitFor();
  const names = await page.evaluate(() => globalThis.states);
  const frames = new Map(names.map((name) => [name, []]));
  let worst = 0;
  for (let round = 0; round < 5; round++) {
    for (const name of names) {
      const took = await page.evaluate((name) => globalThis.show(name), name);
      assert.ok(took.page < 100, `${name} was in the page after ${took.page} ms`);
      worst = Math.max(worst, took.page);
      frames.get(name).push(took.frame);
    }
  }
  // When a frame is drawn is the machine's matter too: of five, the one in the middle.
  const middle = Math.max(...names.map((name) => frames.get(name).sort((a, b) => a - b)[2]));
  assert.ok(middle < 100, `a frame showed it after ${middle} ms`);
  return `in the page after ${worst.toFixed(1)} ms at worst, on the screen after ${Math.round(middle)} ms`;
});

await test('a settled state is announced, and by one', {}, async (page) => {
  await page.goto(`${origin}/live.html`);
  await page.locator('.chatsdk-indicator').waitFor();
  await page.evaluate(() => globalThis.show('offline'));
  await page.getByRole('status').getByText('Connection: Offline Reconnecting…').waitFor({ state: 'attached' });
  assert.equal(await page.locator('[role=status], [role=alert], [aria-live]').count(), 1);
  await accessible(page);
});

await test('twenty indicators, one stream; an agent that goes and comes back', {}, async (page, errors) => {
  const agent = await new TestAgent().start();
  try {
    await page.goto(`${origin}/many.html?agent=${encodeURIComponent(agent.url)}#token=secret`);
    const shown = (status) => page.locator(`.chatsdk-indicator[data-status="${status}"]`).nth(19).waitFor();
    await shown('excellent');
    await until(() => agent.streams.size === 1); // the state is shown before the stream of events is there
    assert.deepEqual(agent.requests, ['GET /v1/state', 'GET /v1/events']);
    assert.equal(new URL(page.url()).hash, '', 'the token is out of the address bar');
    await accessible(page);

    agent.change({ quality: { level: 'poor', reach: 'online', rttMs: 700 } });
    await shown('poor');
    // A burst, to a page that reads nothing for two seconds.
    const stuck = page.evaluate(() => {
      const began = performance.now();
      while (performance.now() - began < 2000);
    });
    for (let i = 1; i <= 10_000; i++) agent.change({ outbox: { queued: i } });
    await stuck;
    await page.locator('#queued', { hasText: /^10000$/ }).waitFor();
    const { agent: state, agentInfo } = await page.evaluate(() => globalThis.store.getSnapshot());
    assert.deepEqual([state, agentInfo.malformed, agentInfo.gaps], ['connected', 0, 0]);

    // Nothing of what went by is kept.
    const memory = await memoryOf(page);
    const before = await memory();
    for (let i = 1; i <= 30_000; i++) agent.message('general', i, 'x'.repeat(100));
    agent.change({ outbox: { queued: 7 } });
    await page.locator('#queued', { hasText: /^7$/ }).waitFor();
    const grown = (await memory()).heap - before.heap;
    assert.ok(grown < 2e6, `the heap grew by ${grown} bytes`);

    await agent.stop();
    await shown('agent-lost');
    await page.locator('.chatsdk-banner[data-status="agent-lost"]').waitFor();
    agent.restartAs('run-2');
    await agent.start();
    await shown('poor');
    assert.equal(await page.locator('.chatsdk-banner').count(), 0);
    await until(() => agent.streams.size === 1);

    await page.reload(); // the tab remembers the token
    await shown('poor');
    await page.goto('about:blank');
    await until(() => agent.streams.size === 0);
    // Chromium itself logs each request that is refused.
    errors.splice(0, errors.length, ...errors.filter((e) => !/net::ERR_/.test(e)));
    return `${(grown / 1e6).toFixed(2)} MB more after 30,000 messages`;
  } finally {
    await agent.stop();
  }
});

await test('a wrong token is said, and tried again at a click', {}, async (page, errors) => {
  const agent = await new TestAgent().start();
  try {
    await page.goto(`${origin}/many.html?agent=${encodeURIComponent(agent.url)}#token=wrong`);
    await page.locator('.chatsdk-banner[data-status="agent-refused"]').waitFor();
    await accessible(page);
    agent.token = 'wrong';
    // By itself the page would wait for 15 s and more.
    await page.getByRole('button', { name: 'Try now' }).click();
    await page.locator('.chatsdk-indicator[data-status="excellent"]').first().waitFor({ timeout: 10_000 });
    errors.splice(0, errors.length, ...errors.filter((e) => !/status of 401/.test(e)));
  } finally {
    await agent.stop();
  }
});

const example = await serveExample();
await test('the example works as it is, without a build', {}, async (page) => {
  await example.route(page);
  await page.goto(`${example.origin}/examples/indicator/`);
  await page.locator('.chatsdk-indicator[data-status="excellent"]').waitFor();
  await page.getByRole('button', { name: 'offline' }).click();
  await page.locator('.chatsdk-indicator[data-status="offline"]').waitFor();
  await page.locator('.chatsdk-banner[data-status="offline"]').waitFor();
  await page.screenshot({ path: `${output}example.png` });
  await accessible(page);
});
await test('the example shows an agent', {}, async (page) => {
  const agent = await new TestAgent().start();
  try {
    await example.route(page);
    await page.goto(`${example.origin}/examples/indicator/?agent=${encodeURIComponent(agent.url)}#token=secret`);
    await page.locator('.chatsdk-indicator[data-status="excellent"]').waitFor();
    await until(() => agent.streams.size === 1);
  } finally {
    await agent.stop();
  }
});

await testBadInput(test, accessible, origin);
await testSpeed(test, origin);
await testMonitor(test, accessible, origin);
await testMatrix(test, alias);
await testDashboard(test, accessible, output);
await testPanel(test, accessible, output);
await testLong(test);
await testDemo(test, accessible, output, looks);

await example.close();
await browser.close();
await vite.close();
console.log(failed ? `${failed} failed` : `all passed in Chromium ${browser.version()}`);
console.log(`${readdirSync(output).length} screenshots are kept in ${output}`);
process.exit(failed ? 1 : 0);
