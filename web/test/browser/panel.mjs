// The demo's panel with a demo that is none: what a real one does only when it is broken, or too quickly to be looked at.
import assert from 'node:assert/strict';
import { TestAgent } from '../agent.ts';
import { TestDemo } from '../demo.ts';
import { serve } from './site.mjs';
import { until } from './wait.mjs';

/** The page with two clients and a demo, all of them fakes. */
async function open(page, prepare = () => {}) {
  const [ada, bob, demo] = [new TestAgent(), new TestAgent(), new TestDemo()];
  bob.snapshot.session = { state: 'fresh', user: 'bob' };
  prepare(demo);
  const site = await serve({ ada, bob, demo });
  await page.goto(`${site.origin}/#token=secret&panes=/ada,/bob&demo=/demo`);
  return { ada, demo, site, network: (name) => page.getByRole('region', { name: `Network of ${name}` }) };
}

const PLAY = {
  id: '2',
  name: 'link goes up and down',
  lines: ['0.0 s both connected', '3.0 s link of ada cut'],
  clients: [{ name: 'ada', state: 'connected', level: 'good', rttMs: 81, sent: 12, shown: 24 }],
  counts: { sent: 24, stored: 23, shown: 44, violations: 0 },
  problems: [],
};

export async function testPanel(test, accessible, output) {
  await test('panel: what the server answers is shown, and nothing else', {}, async (page) => {
    const { demo, site, network } = await open(page);
    try {
      const cut = network('ada').getByRole('button', { name: 'Cut' });
      await cut.waitFor();
      let go;
      demo.slow = new Promise((resolve) => (go = resolve));
      await cut.focus();
      await page.keyboard.press('Enter');
      await page.locator('.faults button[aria-disabled=true]').first().waitFor();
      assert.equal(await cut.getAttribute('aria-pressed'), 'false');
      await page.keyboard.press('Enter'); // nothing: it is busy, and the keyboard still stands on it
      assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Cut');
      go();
      await network('ada').getByRole('button', { name: 'Cut', pressed: true }).waitFor();
      await page.locator('.said').getByText('Done: ada cut off').waitFor();
      await page.getByRole('status').getByText('Done: ada cut off').waitFor({ state: 'attached' });
      assert.deepEqual(demo.bodies, [{ path: '/v1/clients/ada/link', body: { cut: true } }]);

      await network('bob').getByRole('slider', { name: 'Latency' }).focus();
      await page.keyboard.press('ArrowRight');
      await network('bob').getByText('120 ms').waitFor();
      await network('bob').getByRole('slider', { name: 'Rate' }).fill('0');
      await network('bob').getByText('16 kbit/s').waitFor();
      assert.deepEqual(demo.bodies.slice(1).map((b) => b.body), [{ latencyMs: 120 }, { rateKbps: 16 }]);
      // Somebody else sets what no step of the slider has.
      demo.state.clients[1].link.latencyMs = 77;
      demo.change({});
      await network('bob').getByText('77 ms').waitFor();
      assert.equal(demo.most, 1);
    } finally {
      site.close();
    }
  });

  await test('panel: a scenario that plays, and its verdict', { colorScheme: 'dark' }, async (page) => {
    const { demo, site } = await open(page);
    try {
      await page.getByRole('button', { name: 'link goes up and down' }).click();
      await page.locator('.said').getByText('scenario link goes up and down begun').waitFor();
      assert.deepEqual(demo.bodies, [{ path: '/v1/play', body: { scenario: '2' } }]);
      const began = new Date(Date.now() - 12_000).toISOString();
      demo.change({ play: { ...PLAY, state: 'running', began, tookMs: 0 } });
      const verdict = page.getByRole('group', { name: 'Verdict' });
      await verdict.getByRole('heading', { name: 'link goes up and down: running' }).waitFor();
      await verdict.getByText(/^1\d\.\d s$/).waitFor();
      assert.equal(await page.getByRole('button', { name: 'slow network' }).getAttribute('aria-disabled'), 'true');
      await page.getByRole('status').getByText('link goes up and down: running').waitFor({ state: 'attached' });
      await page.getByText('1 more like them').click();
      await accessible(page);
      await page.screenshot({ path: `${output}panel-running.png`, fullPage: true });
      await page.getByRole('button', { name: 'Stop', exact: true }).click();
      await page.locator('.said').getByText('scenario stopped').waitFor();
      const counts = { ...PLAY.counts, violations: 1 };
      demo.change({ play: { ...PLAY, state: 'failed', began, tookMs: 20_500, counts, problems: ['bob shows message 7 twice'] } });
      await verdict.getByRole('heading', { name: 'link goes up and down: failed' }).waitFor();
      await verdict.getByText('bob shows message 7 twice').waitFor();
      await verdict.getByText('20.5 s').waitFor();
      await accessible(page);
      await page.screenshot({ path: `${output}panel-failed.png`, fullPage: true });
    } finally {
      site.close();
    }
  });

  const bad = {
    'a wrong token': [(d) => (d.token = 'other'), 'refused', 'the token is wrong'],
    'a demo of another version': [(d) => (d.state.schema = 2), 'incompatible', 'the demo speaks schema 2, this page 1'],
    'a state that can’t be understood': [(d) => (d.state.clients = 'none'), 'malformed', 'state.clients is no list'],
  };
  for (const [name, [prepare, standing, text]] of Object.entries(bad)) {
    await test(`panel: ${name}`, {}, async (page, errors) => {
      const { demo, site } = await open(page, prepare);
      try {
        await page.locator(`.stand[data-standing=${standing}]`).getByText(text).waitFor();
        await page.getByRole('status').getByText(/^The demo/).waitFor({ state: 'attached' });
        await page.locator('.pane').nth(1).waitFor(); // the clients are there all the same
        await accessible(page);
        Object.assign(demo, { token: 'secret', state: new TestDemo().state });
        // What isn't understood is asked for again soon; for the others it would wait 15 s and more.
        if (standing !== 'malformed') await page.locator('.stand').getByRole('button', { name: 'Try now' }).click();
        await page.locator('.faults').nth(1).waitFor({ timeout: 10_000 });
        await page.locator('.stand').waitFor({ state: 'detached' });
        errors.splice(0, errors.length, ...errors.filter((e) => !/status of 401/.test(e)));
      } finally {
        site.close();
      }
    });
  }

  await test('panel: on a phone nothing has to be moved sideways', { viewport: { width: 360, height: 800 } }, async (page) => {
    const { demo, site } = await open(page);
    try {
      demo.change({ play: { ...PLAY, state: 'passed', tookMs: 20_500 } });
      await page.getByRole('heading', { name: 'link goes up and down: passed' }).waitFor();
      const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(content <= width, `${content} px in ${width}`);
      await accessible(page);
      await page.screenshot({ path: `${output}panel-phone.png`, fullPage: true });
    } finally {
      site.close();
    }
  });

  await test('panel: all that is heard is heard from one place', {}, async (page) => {
    const { ada, demo, site } = await open(page);
    try {
      await page.locator('.faults').nth(1).waitFor();
      assert.equal(await page.locator('[role=status], [role=alert], [aria-live], output').count(), 1);
      ada.change({ quality: { level: 'offline', reach: 'offline' }, connection: { state: 'reconnecting' } });
      const heard = page.getByRole('status').locator('p');
      await heard.getByText('Connection of ada: Offline Reconnecting…').waitFor({ state: 'attached' });
      // Only what changed is read again.
      await page.evaluate(() => {
        globalThis.read = new Set();
        const note = (changes) => changes.forEach(({ target }) => globalThis.read.add(target.textContent));
        new MutationObserver(note).observe(document.querySelector('[role=status]'), { subtree: true, childList: true, characterData: true });
      });
      demo.change({ play: { ...PLAY, state: 'passed', tookMs: 20_500 } });
      await heard.getByText('link goes up and down: passed').waitFor({ state: 'attached' });
      assert.deepEqual(await page.evaluate(() => [...globalThis.read]), ['link goes up and down: passed']);
    } finally {
      site.close();
    }
  });

  await test('panel: two tabs work side by side, one too many is said', {}, async (page, errors) => {
    const { ada, demo, site, network } = await open(page);
    try {
      await network('ada').getByRole('button', { name: 'Cut' }).waitFor();
      const more = async () => {
        const tab = await page.context().newPage();
        await tab.goto(`${site.origin}/#token=secret&panes=/ada,/bob&demo=/demo`);
        return tab;
      };
      const second = await more();
      await until(() => ada.streams.size === 2);
      await second.getByRole('region', { name: 'Network of ada' }).getByRole('button', { name: 'Cut' }).click();
      await second.locator('.said').getByText('Done: ada cut off').waitFor();
      await page.bringToFront();
      await network('ada').getByRole('button', { name: 'Cut', pressed: true }).waitFor();
      await network('ada').getByRole('button', { name: 'Heal' }).click();
      await page.locator('.said').getByText('Done: ada healed').waitFor();
      assert.equal(demo.bodies.length, 2);

      const third = await more();
      await page.locator('.stand[data-standing=lost]').getByText('more than two tabs?').waitFor();
      await third.close();
      await page.locator('.stand').waitFor({ state: 'detached' });
      errors.splice(0, errors.length, ...errors.filter((e) => !/net::ERR_/.test(e)));
    } finally {
      site.close();
    }
  });

  await test('panel: another address in the same tab is another token', {}, async (page, errors) => {
    const site = await serve({ only: new TestAgent() });
    try {
      await page.goto(`${site.origin}/#token=of-the-run-before&panes=/only`);
      await page.locator('.chatsdk-banner[data-status="agent-refused"]').waitFor();
      await page.evaluate(() => (location.hash = '#token=secret&panes=/only'));
      await page.locator('.chatsdk-indicator[data-status="excellent"]').waitFor();
      errors.splice(0, errors.length, ...errors.filter((e) => !/status of 401/.test(e)));
    } finally {
      site.close();
    }
  });

  await test('panel: an agent alone has none', {}, async (page) => {
    const site = await serve({ only: new TestAgent() });
    try {
      await page.goto(`${site.origin}/#token=secret&panes=/only`);
      await page.locator('.chatsdk-indicator[data-status="excellent"]').waitFor();
      assert.equal(await page.locator('.faults, .scenarios, .bar').count(), 0);
      await page.getByRole('img', { name: /^The last 2 minutes of ada\. .*Level: .*excellent \d+ s/ }).waitFor();
      await accessible(page);
      await page.getByRole('link', { name: 'Every state of the connection' }).click();
      await page.getByRole('heading', { name: 'Every state of the connection' }).waitFor();
      assert.equal(await page.locator('.chatsdk-indicator').count(), 15);
      await page.locator('.chatsdk-banner[data-status="offline"] .chatsdk-retry').waitFor();
      await page.screenshot({ path: `${output}gallery-page.png` });
      await accessible(page);
      await page.getByRole('link', { name: 'Back to the clients' }).click();
      await page.locator('.chatsdk-indicator[data-status="excellent"]').waitFor();
    } finally {
      site.close();
    }
  });
}
