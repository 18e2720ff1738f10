import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { refuse, TestDemo } from '../../../test/demo.ts';
import { OtherSchema, readState } from '../src/demo/state.ts';
import { DemoStore, type DemoOptions, type DemoSnapshot } from '../src/demo/store.ts';
import type { Page } from '../src/timeline.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const end of ends.splice(0).reverse()) await end();
});

/** A demo over real HTTP, and a store that looks at it. */
async function watch(prepare: (demo: TestDemo) => void = () => {}) {
  const demo = new TestDemo();
  prepare(demo);
  const server = createServer((q, r) => demo.serve(q, r));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const store = new DemoStore({ url, token: 'secret', page: undefined });
  const off = store.subscribe(() => {});
  ends.push(
    () => new Promise((done) => (server.close(done), server.closeAllConnections())),
    off,
  );
  return { demo, store, off };
}

/** until waits for what the store knows. */
function until(store: DemoStore, holds: (s: DemoSnapshot) => boolean): Promise<DemoSnapshot> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (holds(store.getSnapshot())) resolve(store.getSnapshot());
    };
    ends.push(store.subscribe(look));
    look();
  });
}

const answer = (text: string) => (_: IncomingMessage, r: ServerResponse) => void r.writeHead(200).end(text);
const STATE = '/v1/state';

test('the state, and each change of it; what didn’t change is no news', async () => {
  const { demo, store } = await watch();
  const first = await until(store, (s) => s.standing === 'connected');
  expect(first.state).toMatchObject({ run: 'run-1', server: { running: true, stored: 2 } });
  expect(first.state!.scenarios.map((s) => s.of)).toEqual(['', '', '1']);
  await vi.waitFor(() => expect(demo.requests.length).toBeGreaterThan(1), 3000);
  expect(store.getSnapshot()).toBe(first); // answered by 304
  demo.change({ talk: true });
  await until(store, (s) => s.state!.talk);
});

test('a call: its answer is shown at once, a second one meanwhile isn’t sent', async () => {
  const { demo, store } = await watch();
  await until(store, (s) => s.standing === 'connected');
  let go = (): void => {};
  demo.slow = new Promise<void>((resolve) => (go = resolve));
  const call = store.post('ada cut off', '/v1/clients/ada/link', { cut: true });
  expect(store.getSnapshot().asked).toBe('ada cut off');
  expect(await store.post('ada healed', '/v1/clients/ada/heal')).toBe(false);
  expect(store.getSnapshot().state!.clients[0]!.link.cut).toBe(false); // nothing is assumed
  go();
  expect(await call).toBe(true);
  const { asked, said, state } = store.getSnapshot();
  expect([asked, said, state!.clients[0]!.link.cut]).toEqual([null, { ok: true, text: 'ada cut off' }, true]);
  expect(demo.bodies).toEqual([{ path: '/v1/clients/ada/link', body: { cut: true } }]);
  expect(demo.most).toBe(1);
});

test('a call that is refused says why, and the demo is still there', async () => {
  const { demo, store } = await watch();
  await until(store, (s) => s.standing === 'connected');
  demo.override['/v1/play'] = (_, r) => refuse(r, 409, 'conflict', 'a scenario plays');
  expect(await store.post('scenario begun', '/v1/play', { scenario: '1' })).toBe(false);
  expect(store.getSnapshot()).toMatchObject({
    standing: 'connected',
    asked: null,
    said: { ok: false, text: 'scenario begun: a scenario plays' },
  });
});

test.each([
  ['a wrong token', (d: TestDemo) => (d.token = 'other'), 'refused', 'the token is wrong'],
  ['another version', (d: TestDemo) => (d.state['schema'] = 2), 'incompatible', 'the demo speaks schema 2, this page 1'],
  ['no demo there', (d: TestDemo) => (d.override[STATE] = (_, r) => refuse(r, 404, 'not_found', 'no such call')), 'incompatible', 'no such call'],
  ['trouble of the demo', (d: TestDemo) => (d.override[STATE] = (_, r) => void r.writeHead(500).end('no json')), 'lost', 'it answers with status 500'],
  ['a 304 that nobody asked for', (d: TestDemo) => (d.override[STATE] = (_, r) => void r.writeHead(304).end()), 'incompatible', 'it answers with status 304'],
  ['no JSON', (d: TestDemo) => (d.override[STATE] = answer('<html>')), 'malformed', /JSON/],
  ['a list', (d: TestDemo) => (d.override[STATE] = answer('[]')), 'malformed', 'state is no object'],
  ['a field of another type', (d: TestDemo) => (d.state.clients[1]!.link['cut'] = 'yes'), 'malformed', 'state.clients[1].link.cut is no boolean'],
])('%s', async (_, prepare, standing, error) => {
  const { store } = await watch(prepare as (d: TestDemo) => void);
  const now = await until(store, (s) => s.standing !== 'connecting');
  expect(now).toMatchObject({ standing, state: null });
  if (typeof error === 'string') expect(now.error).toBe(error);
  else expect(now.error).toMatch(error);
});

test('what it told last stays while its answers can’t be understood', async () => {
  const { demo, store } = await watch();
  const { state } = await until(store, (s) => s.standing === 'connected');
  demo.override[STATE] = answer('{"schema":1,"clients":7}');
  expect(await until(store, (s) => s.standing === 'malformed')).toMatchObject({ state, error: 'state.clients is no list' });
  delete demo.override[STATE];
  await until(store, (s) => s.standing === 'connected' && s.error === '');
});

/** A store whose requests are answered by hand, in a time that is made. */
function byHand(options: Partial<DemoOptions> = {}) {
  vi.useFakeTimers();
  const calls = new Set<() => void>();
  const page = {
    visibilityState: 'visible',
    addEventListener: (_: string, call: () => void) => void calls.add(call),
    removeEventListener: (_: string, call: () => void) => void calls.delete(call),
  };
  const asked: { at: number; signal: AbortSignal }[] = [];
  let reply = (): Response | Promise<Response> => Promise.reject(new TypeError('refused'));
  const fetch = ((_: string, init: RequestInit) => {
    asked.push({ at: Date.now(), signal: init.signal! });
    return new Promise((resolve, reject) => {
      init.signal!.addEventListener('abort', () => reject(init.signal!.reason as Error));
      Promise.resolve().then(reply).then(resolve, reject);
    });
  }) as typeof globalThis.fetch;
  const store = new DemoStore({ url: '', token: 't', fetch, page: page as unknown as Page, random: () => 0, ...options });
  const show = (state: string): void => {
    page.visibilityState = state;
    for (const call of calls) call();
  };
  return { store, asked, calls, show, answerWith: (next: typeof reply) => (reply = next) };
}

const state = (more: object = {}): Response => new Response(JSON.stringify({ schema: 1, run: 'r', ...more }));
const waits = (asked: readonly { at: number }[]): number[] => asked.slice(1).map(({ at }, i) => at - asked[i]!.at);

test('a demo that is gone is asked ever more seldom, and at a click at once', async () => {
  const { store, asked, answerWith } = byHand();
  ends.push(store.subscribe(() => {}));
  await vi.advanceTimersByTimeAsync(40_000);
  expect(waits(asked)).toEqual([500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]);
  answerWith(() => state());
  const before = asked.length;
  store.retryNow();
  await vi.advanceTimersByTimeAsync(0);
  expect([asked.length, store.getSnapshot().standing]).toEqual([before + 1, 'connected']);
});

test('each second, and four times while a scenario plays', async () => {
  const { store, asked, answerWith } = byHand();
  answerWith(() => state());
  ends.push(store.subscribe(() => {}));
  await vi.advanceTimersByTimeAsync(3000);
  expect(waits(asked)).toEqual([1000, 1000, 1000]);
  asked.length = 0;
  answerWith(() => state({ play: { state: 'running' } }));
  await vi.advanceTimersByTimeAsync(2000);
  expect(waits(asked)).toEqual([250, 250, 250, 250]);
  asked.length = 0;
  answerWith(() => state({ play: { state: 'passed' } }));
  await vi.advanceTimersByTimeAsync(2250);
  expect(waits(asked)).toEqual([1000, 1000]);
});

test('an answer that doesn’t come in time, or not to its end, is none', async () => {
  const { store, asked, answerWith } = byHand();
  answerWith(() => new Promise(() => {}));
  ends.push(store.subscribe(() => {}));
  await vi.advanceTimersByTimeAsync(4999);
  expect(store.getSnapshot().standing).toBe('connecting');
  await vi.advanceTimersByTimeAsync(1);
  expect(store.getSnapshot()).toMatchObject({ standing: 'lost', error: expect.stringContaining('more than two tabs') });
  answerWith(() => new Response(new ReadableStream({ start: (c) => c.error(new TypeError('cut')) })));
  await vi.advanceTimersByTimeAsync(500);
  expect([asked.length, store.getSnapshot().error]).toEqual([2, 'it doesn’t answer']);
  const call = store.post('talk on', '/v1/talk', { on: true });
  await vi.advanceTimersByTimeAsync(0);
  expect(await call).toBe(false);
  expect(store.getSnapshot().said).toEqual({ ok: false, text: 'talk on: it doesn’t answer' });
});

test('nobody looks: no request, no timer, no listener', async () => {
  const { store, asked, calls, show, answerWith } = byHand();
  answerWith(() => state());
  const off = store.subscribe(() => {});
  await vi.advanceTimersByTimeAsync(100);
  show('hidden');
  await vi.advanceTimersByTimeAsync(60_000);
  expect([asked.length, vi.getTimerCount()]).toEqual([1, 0]);
  show('visible');
  await vi.advanceTimersByTimeAsync(0);
  expect(asked.length).toBe(2);
  // A request that is under way is given up, and isn't an outage.
  answerWith(() => new Promise(() => {}));
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked.length).toBe(3);
  off();
  expect([asked.at(-1)!.signal.aborted, calls.size]).toEqual([true, 0]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([asked.length, store.getSnapshot().standing, vi.getTimerCount()]).toEqual([3, 'connected', 0]);
  // Who looks again gets news at once.
  answerWith(() => state({ talk: true }));
  ends.push(store.subscribe(() => {}));
  await vi.advanceTimersByTimeAsync(0);
  expect(store.getSnapshot().state!.talk).toBe(true);
});

test('missing fields have their first value, null lists are empty, unknown fields are nobody’s business', () => {
  expect(readState({ schema: 1, later: true, clients: null, play: { counts: null, lines: null, clients: [{ name: 'x', rttMs: null }] } })).toEqual({
    run: '',
    seq: 0,
    talk: false,
    server: { running: false, stored: 0 },
    clients: [],
    scenarios: [],
    play: {
      id: '',
      name: '',
      state: '',
      began: '',
      tookMs: 0,
      lines: [],
      clients: [{ name: 'x', state: '', level: '', rttMs: null, sent: 0, shown: 0 }],
      counts: { sent: 0, stored: 0, shown: 0, violations: 0 },
      problems: [],
    },
  });
  expect(() => readState({})).toThrow(OtherSchema);
  expect(() => readState({ schema: 1, play: { lines: [1] } })).toThrow('state.play.lines[0] is no string');
  expect(() => readState({ schema: 1, server: [] })).toThrow('state.server is no object');
});
