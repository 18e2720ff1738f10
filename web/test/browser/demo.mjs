// The page with the real demo: a server, two clients, and links between them that are broken by the page's own buttons.
//
//   -- --screens    # also writes the README's pictures to docs/images
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Chatsdk } from './program.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** The scenario that is over first: it kills a program and takes three seconds. */
const QUICK = 'ack lost and killed';
/** One that plays for a while. */
const LONG = 'airplane mode';
const images = join(root, 'docs', 'images');

/** The demo as a process of its own, begun when it is first wanted. */
class Demo {
  async open() {
    if (this.url) return this.url;
    this.program ??= await Chatsdk.build();
    this.url = await this.program.demo();
    return this.url;
  }

  close = () => this.program?.end();
}

/** The page, as tests speak of it. */
class Page {
  constructor(page) {
    this.page = page;
  }

  async open(url) {
    // Each status that an indicator ever has, in order.
    await this.page.addInitScript(() => {
      globalThis.seen = [];
      new MutationObserver((changes) => {
        for (const { target } of changes) if (target.matches?.('.chatsdk-indicator')) globalThis.seen.push(target.dataset.status);
      }).observe(document, { subtree: true, attributeFilter: ['data-status'] });
    });
    await this.page.goto(url);
    await this.healAll(); // whatever the test before this one left
    for (const user of ['ada', 'bob']) await this.online(user);
  }

  pane = (user) => this.page.getByRole('region', { name: user, exact: true });
  network = (user) => this.page.getByRole('region', { name: `Network of ${user}` });
  press = (user, name) => this.network(user).getByRole('button', { name, exact: true }).click();
  done = (text) => this.page.locator('.said').getByText(`Done: ${text}`).waitFor();

  /** Waits until a client's indicator has one of these. */
  is = (user, ...statuses) =>
    this.pane(user)
      .locator(statuses.map((s) => `.chatsdk-indicator[data-status="${s}"]`).join(', '))
      .waitFor();

  /** Waits until a client is well. */
  online = (user) => this.is(user, 'excellent', 'good');

  async say(user, text) {
    await this.pane(user).getByLabel('Message', { exact: true }).fill(text);
    await this.pane(user).getByRole('button', { name: 'Send' }).click();
  }

  /** Waits until a pane shows a message as one that arrived. */
  shown = (user, text) => this.pane(user).locator('.messages li', { hasText: text }).waitFor();

  /** The texts of all messages that a pane shows. */
  texts = (user) => this.pane(user).locator('.messages .text').allTextContents();

  seen = () => this.page.evaluate(() => globalThis.seen.splice(0));

  async healAll() {
    await this.page.getByRole('button', { name: 'Heal all' }).click();
    await this.done('all healed');
  }
}

export async function testDemo(test, accessible, output, looks) {
  if (!(await Chatsdk.canBuild())) {
    console.log('left out: the tests with a real demo, as there is no go to build it with');
    return;
  }
  const demo = new Demo();
  /** A test on the demo's page. */
  const demoTest = (name, options, run) =>
    test(`demo: ${name}`, options, async (page, errors) => {
      page.setDefaultTimeout(45_000); // the levels of a network take their time
      const p = new Page(page);
      await p.open(await demo.open());
      const said = await run(p, page);
      // Chromium itself logs each request that is refused.
      errors.splice(0, errors.length, ...errors.filter((e) => !/net::ERR_|status of (4|5)\d\d/.test(e)));
      return said;
    });
  try {
    await testLinks(demoTest, accessible, output);
    await testConnections(demoTest);
    await testTalk(demoTest);
    await testFiles(demoTest);
    await testScenario(demoTest, accessible, output);
    for (const [name, options] of Object.entries(looks)) await testLook(demoTest, accessible, output, name, options);
    if (process.argv.includes('--screens')) await takeScreens(demoTest);
  } finally {
    await demo.close();
  }
}

async function testLinks(demoTest, accessible, output) {
  await demoTest('what is written while cut arrives after, once and in order', {}, async (p, page) => {
    await p.say('ada', 'before');
    for (const user of ['ada', 'bob']) await p.shown(user, 'before');
    await p.seen();
    const began = performance.now();
    await p.press('ada', 'Cut');
    await p.network('ada').getByRole('button', { name: 'Cut', pressed: true }).waitFor();
    await p.is('ada', 'offline');
    const took = performance.now() - began;
    await p.pane('ada').getByText('Reconnecting…').first().waitFor();
    for (const n of [1, 2, 3]) {
      await p.say('ada', `in the tunnel, ${n}`);
      await p.pane('ada').locator('.outbox li', { hasText: `in the tunnel, ${n} waits for the network` }).waitFor();
    }
    await p.pane('ada').locator('.chatsdk-banner[data-status="offline"]').waitFor();
    await p.say('bob', 'are you there?');
    await p.shown('bob', 'are you there?');
    assert.deepEqual((await p.texts('bob')).filter((t) => t.includes('tunnel')), []);
    await accessible(page);
    await page.screenshot({ path: `${output}demo-cut.png` });

    const healed = performance.now();
    await p.press('ada', 'Heal');
    await p.online('ada');
    const back = performance.now() - healed;
    for (const user of ['ada', 'bob']) await p.shown(user, 'in the tunnel, 3');
    await p.shown('ada', 'are you there?');
    const wanted = ['in the tunnel, 1', 'in the tunnel, 2', 'in the tunnel, 3'];
    for (const user of ['ada', 'bob']) assert.deepEqual((await p.texts(user)).filter((t) => t.includes('tunnel')), wanted);
    assert.deepEqual(await p.texts('ada'), await p.texts('bob'));
    await p.pane('ada').locator('.outbox').waitFor({ state: 'detached' });
    await p.pane('ada').locator('.chatsdk-banner').waitFor({ state: 'detached' });
    const seen = await p.seen();
    assert.ok(seen.includes('offline'), String(seen));
    for (const never of ['captive', 'signed-out', 'failed', 'suspended', 'agent-lost']) assert.ok(!seen.includes(never), `${never} in ${seen}`);
    await p.pane('ada').locator('.piece[data-tone=bad]').first().waitFor(); // the time line has it

    await page.reload();
    await p.shown('bob', 'in the tunnel, 3');
    assert.deepEqual(await p.texts('bob'), await p.texts('ada'));
    await p.network('ada').getByRole('button', { name: 'Cut', pressed: false }).waitFor();
    return `offline after ${secondsOf(took)}, well again after ${secondsOf(back)}`;
  });

  await demoTest('a portal is captive, a stopped server is no bad network', {}, async (p) => {
    await p.press('ada', 'Captive portal');
    await p.is('ada', 'captive');
    assert.ok(['excellent', 'good'].includes(await p.pane('bob').locator('.chatsdk-indicator').getAttribute('data-status')));
    await p.press('ada', 'Captive portal');
    await p.online('ada');

    await p.page.getByRole('button', { name: 'Stop server' }).click();
    await p.page.getByRole('group', { name: 'Server' }).getByText('Server stopped').waitFor();
    for (const user of ['ada', 'bob']) await p.is(user, 'server-down');
    await p.say('bob', 'written to nobody');
    await p.page.getByRole('button', { name: 'Start server' }).click();
    for (const user of ['ada', 'bob']) await p.online(user);
    await p.shown('ada', 'written to nobody');
  });

  await demoTest('a token that expires is renewed, and nobody is signed out', {}, async (p) => {
    await p.seen();
    await p.press('ada', 'Expire token');
    await p.done('ada’s token expired');
    await p.say('ada', 'with another token');
    await p.shown('bob', 'with another token');
    // It did meet the end of its token: the connection was lost for a moment.
    await p.pane('ada').locator('.lane', { hasText: /^connection/ }).locator('.piece[data-tone=fair]').first().waitFor();
    await p.online('ada');
    await p.pane('ada').getByText('session fresh').waitFor();
    const seen = await p.seen();
    assert.deepEqual(seen.filter((s) => ['signed-out', 'failed'].includes(s)), []);
  });

  await demoTest('half a second of latency is poor', {}, async (p) => {
    await p.network('bob').getByRole('slider', { name: 'Latency' }).fill('5');
    await p.network('bob').getByText('500 ms').waitFor();
    await p.is('bob', 'poor');
    await p.say('bob', 'slow, but it goes');
    await p.shown('ada', 'slow, but it goes');
    assert.equal(await p.pane('bob').locator('.chatsdk-banner').count(), 0);
    await p.press('bob', 'Heal');
    await p.online('bob');
  });
}

/** What breaks connections, and the loss of packets: each is over by itself, and no message is lost or doubled. */
async function testConnections(demoTest) {
  await demoTest('connections that are reset or half open are replaced by themselves', {}, async (p) => {
    const took = [];
    for (const [button, done] of [
      ['Reset', 'ada’s connections reset'],
      ['Half-open up', 'ada silent up'],
      ['Half-open down', 'ada silent down'],
    ]) {
      const pieces = p.pane('ada').locator('.lane', { hasText: /^connection/ }).locator('.piece');
      const before = await pieces.count();
      const began = performance.now();
      await p.press('ada', button);
      await p.done(done);
      const texts = ['ada', 'bob'].map((user) => `${user} writes after ${button}`);
      for (const text of texts) await p.say(text.slice(0, 3), text);
      for (const user of ['ada', 'bob']) for (const text of texts) await p.shown(user, text);
      // It was noticed: the time line has the connection that ended, and the one that came after it.
      await pieces.nth(before + 1).waitFor();
      await p.online('ada');
      await p.pane('ada').locator('.facts').getByText('connected, caught up').waitFor();
      took.push(`${button} ${secondsOf(performance.now() - began)}`);
      for (const user of ['ada', 'bob']) {
        const shown = (await p.texts(user)).filter((t) => t.endsWith(`after ${button}`));
        assert.deepEqual(shown.toSorted(), texts);
      }
    }
    for (const user of ['ada', 'bob']) await p.pane(user).locator('.outbox').waitFor({ state: 'detached' });
    return took.join(', ');
  });

  await demoTest('loss makes a network worse than its latency', {}, async (p) => {
    await p.network('bob').getByRole('slider', { name: 'Loss' }).fill('6');
    await p.network('bob').getByText('40%').waitFor();
    await p.is('bob', 'poor', 'reconnecting', 'offline');
    await p.say('bob', 'half of it gets lost');
    await p.shown('ada', 'half of it gets lost');
    await p.press('bob', 'Heal');
    await p.online('bob');
    for (const user of ['ada', 'bob']) assert.equal((await p.texts(user)).filter((t) => t.includes('half of it')).length, 1);
  });
}

async function testTalk(demoTest) {
  await demoTest('both talk until they are told to be quiet', {}, async (p, page) => {
    const talk = (pressed) => page.getByRole('button', { name: 'Talk', exact: true, pressed });
    const before = (await p.texts('ada')).length;
    await talk(false).click();
    await talk(true).waitFor();
    await p.done('talk on');
    for (const user of ['ada', 'bob']) await p.pane(user).locator('.messages li').nth(before + 5).waitFor();
    await talk(true).click();
    await talk(false).waitFor();
    await p.done('talk off');
    for (const user of ['ada', 'bob']) await p.pane(user).locator('.outbox').waitFor({ state: 'detached' });
    await p.say('ada', 'and now quiet');
    for (const user of ['ada', 'bob']) await p.shown(user, 'and now quiet');
    assert.deepEqual(await p.texts('ada'), await p.texts('bob'));
    await page.waitForTimeout(2500); // each would have said two more
    for (const user of ['ada', 'bob']) assert.equal((await p.texts(user)).at(-1), 'and now quiet');
  });
}

async function testFiles(demoTest) {
  await demoTest('a file goes with progress, past a server that is busy', {}, async (p) => {
    await p.network('ada').getByRole('slider', { name: 'Rate' }).fill('7');
    await p.network('ada').getByText('4096 kbit/s').waitFor();
    const file = { name: 'map.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(4 << 20, 7) };
    await p.pane('ada').getByLabel('File', { exact: true }).setInputFiles(file);
    const upload = p.pane('ada').locator('.uploads li', { hasText: 'map.bin' });
    await upload.getByText(/\b[1-9]\d?%/).waitFor();
    await p.press('ada', 'Busy (429)');
    await p.network('ada').getByRole('button', { name: /^429 until \d\d:\d\d:\d\d$/ }).waitFor();
    await p.is('ada', 'server-down', 'reconnecting');
    await p.press('ada', 'Heal');
    await p.network('ada').getByRole('button', { name: 'Busy (429)' }).waitFor();
    await p.pane('bob').locator('.messages li', { hasText: '1 file' }).waitFor();
    await upload.waitFor({ state: 'detached' });
  });
}

async function testScenario(demoTest, accessible, output) {
  await demoTest('a scenario passes', {}, async (p, page) => {
    await page.locator('.scenarios summary').click();
    await page.getByRole('button', { name: QUICK }).click();
    const verdict = page.getByRole('group', { name: 'Verdict' });
    await verdict.getByRole('heading', { name: `${QUICK}: running` }).waitFor();
    await accessible(page);
    await verdict.getByRole('heading', { name: `${QUICK}: passed` }).waitFor();
    assert.equal(await verdict.locator('.problems').count(), 0);
    const count = (key) => verdict.locator('.counts div', { hasText: key }).locator('dd').textContent();
    assert.ok(Number(await count('sent')) > 0);
    assert.equal(await count('violations'), '0');
    await page.screenshot({ path: `${output}demo-passed.png`, fullPage: true });
    return `after ${await verdict.locator('.elapsed').textContent()}`;
  });

  await demoTest('a scenario is stopped in the middle', {}, async (p, page) => {
    const verdict = page.getByRole('group', { name: 'Verdict' });
    await page.getByRole('button', { name: LONG }).click();
    await verdict.getByRole('heading', { name: `${LONG}: running` }).waitFor();
    await verdict.locator('tbody tr').first().waitFor(); // its clients are there
    await verdict.locator('.lines li').first().waitFor();
    const other = page.locator('.cards button').last();
    assert.equal(await other.getAttribute('aria-disabled'), 'true');
    const began = performance.now();
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await p.done('scenario stopped');
    await verdict.getByRole('heading', { name: `${LONG}: stopped before its end` }).waitFor();
    const took = performance.now() - began;
    await page.getByRole('button', { name: 'Stop', exact: true }).waitFor({ state: 'detached' });
    await page.locator('.cards button[aria-disabled=false]').first().waitFor();
    await page.getByRole('status').getByText(`${LONG}: stopped before its end`).waitFor({ state: 'attached' });
    return `after ${secondsOf(took)}`;
  });
}

async function testLook(demoTest, accessible, output, name, options) {
  await demoTest(`the whole page, ${name}`, options, async (p, page) => {
    await p.press('ada', 'Cut');
    await p.is('ada', 'offline');
    await p.say('ada', `written ${name}`);
    await p.pane('ada').locator('.outbox li').waitFor();
    await accessible(page);
    await page.screenshot({ path: `${output}demo-${name}.png`, fullPage: true });
    if (name === 'reduced-motion') assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    await p.press('ada', 'Heal');
    await p.shown('bob', `written ${name}`);
  });
}

/**
 * The pictures of the README. They are of what the demo really did: a link that gets slow, a portal, a server that stops,
 * and a cut while both write.
 */
async function takeScreens(demoTest) {
  mkdirSync(images, { recursive: true });
  await demoTest('pictures', { viewport: { width: 1280, height: 900 }, colorScheme: 'light' }, async (p, page) => {
    page.setDefaultTimeout(60_000);
    const latency = (user) => p.network(user).getByRole('slider', { name: 'Latency' });
    /** Waits until the time line of ada has come so far, in percent of its width. */
    const filled = (percent) =>
      page.waitForFunction((left) => Number.parseFloat(document.querySelector('.lane:last-child .piece').style.left) <= left, 100 - percent);
    await filled(15);
    await latency('ada').fill('4');
    await p.is('ada', 'fair');
    await latency('ada').fill('6');
    await p.is('ada', 'poor');
    await p.say('bob', 'You sound as if you were on a ship.');
    await p.shown('ada', 'on a ship');
    await filled(30);
    await p.press('ada', 'Heal');
    await p.online('ada');
    await filled(40);
    await p.press('bob', 'Captive portal');
    await p.is('bob', 'captive');
    await p.say('bob', 'This hotel wants me to sign in first.');
    await filled(50);
    await p.press('bob', 'Captive portal');
    await p.online('bob');
    await p.shown('ada', 'hotel');
    await filled(60);
    await page.getByRole('button', { name: 'Stop server' }).click();
    for (const user of ['ada', 'bob']) await p.is(user, 'server-down');
    await filled(70);
    await page.getByRole('button', { name: 'Start server' }).click();
    for (const user of ['ada', 'bob']) await p.online(user);
    await filled(80);
    await p.say('ada', 'Here comes the tunnel, see you behind it.');
    await p.shown('bob', 'tunnel');
    await p.press('ada', 'Cut');
    await p.is('ada', 'offline');
    await p.say('ada', 'Still dark in here.');
    await p.say('bob', 'Take your time.');
    await p.shown('bob', 'Take your time.');
    await p.say('ada', 'I write on, it will arrive.');
    await p.pane('ada').locator('.chatsdk-banner[data-status="offline"]').getByText('2 messages wait').waitFor();
    await filled(95);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.mouse.move(0, 0);
      await page.evaluate(() => document.activeElement.blur());
      await page.screenshot({ path: join(images, `demo-${colorScheme}.png`) });
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.getByRole('link', { name: 'Every state of the connection' }).click();
    await page.locator('.chatsdk-banner[data-status="offline"] .chatsdk-retry').waitFor();
    await page.screenshot({ path: join(images, 'gallery.png') });
    await page.goBack();
    await p.press('ada', 'Heal');
    await p.shown('bob', 'I write on');
  });
}

function secondsOf(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
