import { describe, expect, test } from 'vitest';
import { EMPTY, statusOf } from '@chatsdk/core';
import { BACKGROUND, BrowserMonitor } from '@chatsdk/core/monitor';
import { random } from './helpers.ts';
import { SERVER, World, type Answer } from './world.ts';

const PAGE: Answer = { status: 200 };

describe('what is told', () => {
  test.each([
    [20, 'excellent'],
    [100, 'good'],
    [200, 'fair'],
    [400, 'poor'],
  ])('a round trip of %d ms is %s', async (rttMs, level) => {
    const world = new World();
    world.rttMs = rttMs;
    world.open();
    expect(statusOf(world.monitor!.getSnapshot())).toBe('unknown');
    // Set-up and answer, and one more that measures.
    expect(await world.until(world.is(level))).toBeLessThan(4 * rttMs + 20);
    await world.wait(60_000);
    expect(world.quality).toMatchObject({ level, reach: 'online', reason: 'rtt', rttMs, lossPct: 0 });
    expect(world.quality.confidence).toBeGreaterThan(0.8);
    expect(world.monitor!.getSnapshot().agent).toBe('none');
  });

  const answers: [name: string, reach: string, answer: Answer, scheme: string][] = [
    ['a page', 'captive', PAGE, 'http'],
    ['a redirect', 'captive', { status: 0, type: 'opaqueredirect' }, 'http'],
    ['status 511', 'captive', { status: 511 }, 'http'],
    ['a 204 without the challenge', 'captive', { status: 204 }, 'http'],
    ['status 503', 'server-down', { status: 503 }, 'http'],
    ['status 429', 'server-down', { status: 429 }, 'http'],
    ['the challenge with another status', 'server-down', { status: 200, challenge: true }, 'http'],
    ['a page under the server’s certificate', 'server-down', PAGE, 'https'],
    ['an error', 'server-down', 'error', 'http'],
    ['silence', 'offline', 'silent', 'http'],
  ];
  test.each(answers)('%s is %s, and gone within 1.5 s when the server is back', async (_, reach, answer, scheme) => {
    const world = new World();
    world.open({ pingUrl: `${scheme}://chat/ping` });
    await world.wait(5000);
    world.answer = answer;
    expect(await world.until(() => world.quality.reach === reach)).toBeLessThan(2000);
    expect(world.quality.level).toBe(reach === 'offline' ? 'offline' : 'unknown');
    await world.wait(60_000);
    expect(world.quality.reach).toBe(reach);
    world.answer = SERVER;
    expect(await world.until(world.is('excellent'))).toBeLessThan(1500);
  });

  test('a request that fails while the browser knows of no network is offline at once', async () => {
    const world = new World();
    world.open();
    await world.wait(5000);
    world.answer = 'error';
    world.isOnline = false;
    await world.tell('offline');
    expect(await world.until(() => world.quality.reason === 'unreachable')).toBeLessThanOrEqual(10);
    expect(world.quality).toMatchObject({ level: 'offline', reach: 'offline' });
  });

  test('since is when level or reach changed, and stays the same text until they do', async () => {
    const world = new World();
    world.open();
    await world.wait(1000);
    const { since } = world.quality;
    expect(since).toBe(new Date(Date.UTC(2026, 2, 1, 12, 0, 0, 80)).toISOString());
    for (let i = 0; i < 60; i++) {
      world.wallMs += 100; // clocks drift
      await world.wait(1000);
    }
    expect(world.quality.since).toBe(since);
  });

  test('snapshots are frozen, and numbers alone make one a second at most', async () => {
    const world = new World();
    const monitor = world.open();
    let calls = 0;
    await world.wait(5000);
    monitor.subscribe(() => calls++);
    const random20 = random(1);
    for (let i = 0; i < 100; i++) {
      world.rttMs = 15 + 10 * random20();
      await world.wait(100);
    }
    expect(calls).toBeGreaterThan(3);
    expect(calls).toBeLessThanOrEqual(11);
    expect(Object.isFrozen(world.quality)).toBe(true);
    expect(monitor.getServerSnapshot()).toBe(EMPTY);
  });
});

describe('what is asked', () => {
  test('each question has a challenge of its own, no login, no cache and no redirect', async () => {
    const world = new World();
    world.open({ pingUrl: '../ping?a=b#d' });
    await world.wait(3000);
    expect(new Set(world.requests.map((r) => r.url)).size).toBe(world.requests.length);
    expect(world.requests[0]!.url).toBe('http://page/ping?a=b&c=c1');
    const { cache, credentials, redirect, referrerPolicy } = world.requests[0]!.init;
    expect([cache, credentials, redirect, referrerPolicy]).toEqual(['no-store', 'omit', 'manual', 'no-referrer']);
  });

  test('a probe follows half a second of silence, and none what the application tells', async () => {
    const world = new World();
    const monitor = world.open();
    await world.wait(10_000);
    let before = world.requests.length;
    await world.wait(60_000);
    expect(world.requests.length - before).toBeGreaterThan(100);
    expect(world.requests.length - before).toBeLessThanOrEqual(120);
    before = world.requests.length;
    for (let i = 0; i < 200; i++) {
      expect(monitor.observe({ ok: true, rttMs: 20 })).toBe(true);
      await world.wait(300);
    }
    // One each 10 s, as calls have the server's time in them.
    expect(world.requests.length - before).toBeLessThanOrEqual(14);
    expect(world.quality.level).toBe('excellent');
  });

  test('a page that nobody sees is thrifty, and asks at once when it is seen', async () => {
    const world = new World();
    world.open();
    await world.wait(5000);
    world.isHidden = true;
    await world.tell('visibilitychange');
    await world.wait(5000);
    let before = world.requests.length;
    await world.wait(600_000);
    // Two each: the connection was closed meanwhile, and its set-up is no round trip.
    expect(world.requests.length - before).toBeGreaterThan(100);
    expect(world.requests.length - before).toBeLessThanOrEqual(122);
    expect(world.quality).toMatchObject({ level: 'excellent', rttMs: 20 });
    before = world.requests.length;
    world.isHidden = false;
    await world.tell('visibilitychange');
    expect(world.requests.length).toBe(before + 1);
    await world.wait(10_000);
    expect(world.requests.length - before).toBeGreaterThan(15);
  });

  test('it may pause instead', async () => {
    const world = new World();
    world.open({ hidden: 'pause' });
    await world.wait(5000);
    world.isHidden = true;
    await world.tell('visibilitychange');
    await world.wait(5000);
    const before = world.requests.length;
    await world.wait(600_000);
    await world.tell('online');
    await world.tell('offline');
    expect(world.requests.length).toBe(before);
    expect(world.quality.level).toBe('unknown'); // what was known is too old
    world.isHidden = false;
    await world.tell('visibilitychange');
    expect(await world.until(world.is('excellent'))).toBeLessThan(200);
  });

  test('events are hints: each asks once more, and proves nothing', async () => {
    const world = new World();
    world.open();
    await world.wait(5000);
    for (const event of ['offline', 'pageshow', 'online'] as const) {
      const before = world.requests.length;
      world.isOnline = event !== 'offline'; // it is wrong, too
      await world.tell(event);
      expect(world.requests.length).toBe(before + 1);
      expect(world.quality).toMatchObject({ level: 'excellent', reach: 'online' });
      await world.wait(5000);
      expect(world.quality).toMatchObject({ level: 'excellent', reach: 'online' });
    }
  });

  test.each([1300, 1700, 2100, 2500, 2900, 3300])('the end of an outage of %d ms is found within a second', async (ms) => {
    const world = new World();
    world.open();
    await world.wait(5000);
    world.answer = 'silent';
    await world.wait(ms);
    world.answer = SERVER;
    expect(await world.until(() => world.quality.reach === 'online')).toBeLessThan(1000);
  });

  test('when the browser says that there is a network again, what went to the one before is given up', async () => {
    const world = new World();
    world.open();
    await world.wait(5000);
    world.answer = 'silent';
    await world.wait(2100);
    expect(world.inFlight).toBe(4);
    world.answer = SERVER;
    world.rttMs = 200;
    await world.tell('online');
    expect(world.inFlight).toBe(1);
    expect(await world.until(world.is('fair'))).toBeLessThan(900); // set-up, and a round trip
    // And what was measured was another network's.
    world.rttMs = 20;
    await world.wait(5000);
    world.rttMs = 200;
    await world.tell('online');
    expect(await world.until(world.is('fair'))).toBeLessThan(900);
  });

  test('no more than four questions are open at a time, whatever happens', async () => {
    const world = new World();
    const monitor = world.open();
    await world.wait(3000);
    world.answer = 'silent';
    for (let i = 0; i < 50; i++) {
      await world.tell(i % 2 ? 'offline' : 'pageshow');
      monitor.retryNow();
      monitor.observe({ ok: false });
      await world.wait(100);
    }
    expect(world.mostInFlight).toBe(4);
    await world.wait(60_000);
    expect(world.mostInFlight).toBe(4);
  });

  test('with a long path, several are under way, and round trips are measured all the same', async () => {
    const world = new World();
    world.rttMs = 1200;
    world.open();
    await world.wait(120_000);
    expect(world.quality).toMatchObject({ level: 'poor', reach: 'online', rttMs: 1200, lossPct: 0 });
  });

  test('one monitor asks once, for any number of subscribers, and again after StrictMode’s second start', async () => {
    const world = new World();
    const monitor = world.open({ lingerMs: 0 });
    const stops = Array.from({ length: 20 }, () => monitor.subscribe(() => {}));
    await world.wait(0);
    expect(world.requests.length).toBe(1);
    for (const stop of stops) stop();
    monitor.stop();
    monitor.start();
    await world.wait(220);
    expect([world.requests.length, world.mostInFlight, world.listeners]).toEqual([2, 1, 1]);
  });
});

describe('what is no evidence', () => {
  test('the set-up of a connection is no round trip', async () => {
    const world = new World();
    world.rttMs = 40;
    world.keepMs = 0; // each question needs a new one
    world.open();
    await world.wait(50);
    world.keepMs = 5000;
    await world.wait(20_000);
    expect(world.quality).toMatchObject({ rttMs: 40, level: 'excellent', lossPct: 0 });
  });

  test.each([3, 40, 3 * 3600])('a sleep of %d s is no silence', async (seconds) => {
    const world = new World();
    const monitor = world.open();
    await world.wait(20_000);
    const seen = new Set<string>();
    monitor.subscribe(() => seen.add(world.quality.reach));
    await world.block(seconds * 1000);
    await world.wait(5000);
    expect(world.quality).toMatchObject({ level: 'excellent', reach: 'online' });
    expect(seen).not.toContain('offline');
    expect(seen).not.toContain('server-down');
  });

  test('a clock that stood still while the machine slept gives the sleep away', async () => {
    const world = new World();
    world.open();
    await world.wait(20_000);
    world.rttMs = 200; // another network
    world.wallMs += 3600_000;
    expect(await world.until(world.is('fair'))).toBeLessThan(1000);
  });

  test('an answer that waited for a busy page is no round trip, and no loss', async () => {
    const world = new World();
    world.open();
    await world.wait(20_000);
    for (let i = 0; i < 40; i++) {
      // A question is out, and the page does something else for 400 ms.
      await world.until(() => world.inFlight > 0);
      await world.block(400);
      await world.wait(1000);
    }
    expect(world.quality).toMatchObject({ level: 'excellent', lossPct: 0 });
    expect(world.quality.rttMs).toBeLessThan(30);
  });

  test('what keeps the page for less than that is not in what the browser itself timed', async () => {
    const rtts = new Map<World['timed'], number>();
    for (const timed of ['never', 'yes'] as const) {
      const world = new World();
      world.timed = timed;
      world.open();
      for (let i = 0; i < 100; i++) {
        await world.until(() => world.inFlight > 0); // each question
        await world.block(90);
      }
      expect(world.quality.lossPct).toBe(0);
      rtts.set(timed, world.quality.rttMs!);
    }
    expect(rtts.get('yes')).toBe(20);
    expect(rtts.get('never')).toBeGreaterThan(80);
  });

  test('nor is the set-up of a connection: each answer on a new one measures', async () => {
    const world = new World();
    world.timed = 'yes';
    world.rttMs = 40;
    world.keepMs = 0;
    world.open();
    expect(await world.until(world.is('excellent'))).toBeLessThan(3 * world.rttMs + 20);
    expect(world.requests.length).toBe(1);
    await world.wait(20_000);
    expect(world.quality).toMatchObject({ rttMs: 40, level: 'excellent', lossPct: 0 });
  });

  test('a clock that is too coarse for it says 0, which measures as well', async () => {
    const world = new World();
    world.timed = 'coarse';
    world.open();
    await world.wait(20_000);
    expect(world.quality).toMatchObject({ level: 'excellent', reach: 'online', lossPct: 0 });
    expect(world.quality.rttMs).toBeLessThan(1);
  });

  test('where such a time comes too late, the answer is a sign of life alone', async () => {
    const world = new World();
    world.timed = 'yes';
    world.open();
    await world.wait(20_000);
    world.timed = 'lost';
    for (let i = 0; i < 10; i++) {
      await world.until(() => world.inFlight > 0);
      await world.block(90);
    }
    expect(world.quality).toMatchObject({ rttMs: 20, level: 'excellent', reach: 'online', lossPct: 0 });
    await world.wait(60_000); // for ever, and the page's are taken
    world.rttMs = 200;
    await world.until(world.is('fair'));
  });

  test.each(['lost', 'forbidden'] as const)('where its times are %s, the page’s are taken', async (timed) => {
    const world = new World();
    world.timed = timed;
    world.open();
    await world.wait(20_000);
    expect(world.quality).toMatchObject({ rttMs: 20, level: 'excellent', reach: 'online', lossPct: 0 });
    await world.until(() => world.inFlight > 0);
    await world.wait(world.rttMs); // answered, and nothing was timed yet
    world.monitor!.stop();
    expect(world.timers).toEqual([]);
  });

  test('what makes no sense is refused, and so is what comes while nobody wants to know', async () => {
    const world = new World();
    const monitor = world.open();
    await world.wait(2000);
    for (const rttMs of [0, -1, NaN, Infinity, 1e9]) expect(monitor.observe({ ok: true, rttMs })).toBe(false);
    expect(monitor.observe({ ok: true, rttMs: 10, serverMs: 10 })).toBe(false);
    expect(monitor.observe({ ok: false, cause: 'nonsense' as 'timeout' })).toBe(false);
    expect(world.quality).toMatchObject({ level: 'excellent', rttMs: 20 });
    monitor.stop();
    expect(monitor.observe({ ok: true, rttMs: 20 })).toBe(false);
  });
});

test('what the application sees is taken: answers, failures, and what it can’t tell', async () => {
  const world = new World();
  const monitor = world.open({ effort: BACKGROUND });
  await world.wait(9000);
  let before = world.requests.length;
  expect(monitor.observe({ ok: false })).toBe(true);
  await world.wait(0);
  expect(world.requests.length).toBe(before + 1);
  world.answer = { status: 503 };
  await world.wait(100);
  before = world.requests.length;
  expect(monitor.observe({ ok: false, cause: 'server-error' })).toBe(true);
  expect(await world.until(() => world.quality.reach === 'server-down')).toBeLessThan(1000);
  world.answer = SERVER;
  expect(monitor.observe({ ok: true })).toBe(true);
  expect(world.quality).toMatchObject({ reach: 'online', reason: 'measuring' });
});

test('where the application alone tells, that is what is known', async () => {
  const world = new World();
  world.isHidden = true;
  const monitor = world.open({ hidden: 'pause' });
  await world.wait(1000);
  monitor.observe({ ok: true, rttMs: 250, loaded: true });
  expect(world.quality).toMatchObject({ reach: 'online', reason: 'load', level: 'fair', loadedMs: 250, rttMs: null });
  await world.wait(1000);
  monitor.observe({ ok: true, rttMs: 180, serverMs: 100 });
  expect(world.quality).toMatchObject({ reach: 'online', reason: 'rtt', rttMs: 80 });
  expect(world.requests).toEqual([]);
});

test('stop ends all that is under way, and what comes later is nobody’s', async () => {
  const world = new World();
  const monitor = world.open();
  await world.wait(3000);
  world.answer = 'silent';
  await world.wait(1000);
  expect(world.inFlight).toBeGreaterThan(0);
  const before = monitor.getSnapshot();
  monitor.stop();
  await world.wait(0);
  expect([world.inFlight, world.timers.length, world.listeners]).toEqual([0, 0, 0]);
  await world.wait(60_000);
  monitor.retryNow();
  await world.tell('online');
  expect([world.inFlight, world.timers.length]).toEqual([0, 0]);
  expect(monitor.getSnapshot()).toBe(before);
  world.answer = SERVER;
  world.rttMs = 100;
  monitor.start();
  expect(await world.until(world.is('good'))).toBeLessThan(1000);
});

test('an address that can’t be is refused', () => {
  expect(() => new BrowserMonitor({ pingUrl: 'https://ada:secret@chat/ping' })).toThrow('leave it out');
  expect(() => new BrowserMonitor({ pingUrl: '/ping?at=//a@b' })).not.toThrow();
});

test('efforts that are a flood, or none, are made sane', async () => {
  for (const probeIntervalMs of [1, -5, NaN, Infinity]) {
    const world = new World();
    world.open({ effort: { probeIntervalMs }, timeoutMs: NaN });
    await world.wait(10_000);
    expect(world.requests.length).toBeLessThanOrEqual(110);
    expect(world.requests.length).toBeGreaterThan(15);
  }
});

/** The truth is 20% away from an edge: how much of the time is it told, from 5 s after each change on? */
test('level and reach are right for at least 95% of the settled time', async () => {
  const seed = Number(process.env['SEED'] ?? 7);
  const next = random(seed);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(next() * all.length)]!;
  const truths: readonly (readonly [answer: Answer, lowMs: number, highMs: number, level: string, reach: string])[] = [
    [SERVER, 5, 40, 'excellent', 'online'],
    [SERVER, 62, 120, 'good', 'online'],
    [SERVER, 187, 240, 'fair', 'online'],
    [SERVER, 375, 900, 'poor', 'online'],
    ['silent', 20, 20, 'offline', 'offline'],
    [PAGE, 20, 200, 'unknown', 'captive'],
    [{ status: 503 }, 20, 200, 'unknown', 'server-down'],
    ['error', 20, 20, 'unknown', 'server-down'],
  ];
  const world = new World();
  world.open();
  let [right, all] = [0, 0];
  const wrong = new Map<string, number>();
  for (let segment = 0; segment < 160; segment++) {
    const [answer, lowMs, highMs, level, reach] = pick(truths);
    const pathMs = lowMs + (highMs - lowMs) * next();
    world.answer = answer;
    const seconds = 15 + Math.floor(30 * next());
    for (let i = 0; i < 10 * seconds; i++) {
      // Round trips vary by 12%. None is late: two probes a second can't tell a loss of 0.3% from none.
      world.rttMs = pathMs * (0.88 + 0.08 * (next() + next() + next()));
      await world.wait(100);
      if (i < 50) continue;
      all++;
      if (world.is(level, reach)()) right++;
      else {
        const key = `${level}/${reach} told as ${world.quality.level}/${world.quality.reach} (${world.quality.reason})`;
        wrong.set(key, (wrong.get(key) ?? 0) + 1);
      }
    }
  }
  const share = right / all;
  console.log(`SEED=${seed}: right for ${(100 * share).toFixed(2)}% of ${all / 10} s`, Object.fromEntries(wrong));
  expect(share).toBeGreaterThanOrEqual(0.95);
}, 60_000);

test('a listener that stops the monitor, or that takes its time, spoils nothing', async () => {
  const world = new World();
  const monitor = world.open();
  monitor.subscribe(() => {
    world.ms += 90; // it draws for so long
    world.wallMs += 90;
  });
  await world.until(world.is('excellent'));
  await world.wait(20_000);
  expect(world.quality).toMatchObject({ level: 'excellent', rttMs: 20, lossPct: 0 });
  world.answer = 'error';
  monitor.subscribe(() => monitor.stop());
  await world.until(() => world.quality.reach === 'server-down');
  await world.wait(1000);
  expect([world.inFlight, world.timers.length, world.listeners]).toEqual([0, 0, 0]);
});
