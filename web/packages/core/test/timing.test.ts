import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AgentStore } from '@chatsdk/core';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const STATE = JSON.stringify({ schema: 1, run: 'r', seq: 0, quality: { level: 'good' } });
const HELLO = 'event: hello\ndata: {"schema":1,"run":"r","seq":0}\n\n';

/** A store whose agent is a function, so that time is the test's. */
function scripted(
  events: (signal: AbortSignal) => Promise<Response>,
  random = 0,
): { store: AgentStore; calls: number[]; off: () => void } {
  const calls: number[] = [];
  const store = new AgentStore({
    url: 'http://agent',
    random: () => random,
    fetch: async (input, init) => {
      if (String(input).endsWith('/v1/state')) return new Response(STATE);
      calls.push(Date.now());
      return events(init!.signal!);
    },
  });
  return { store, calls, off: store.subscribe(() => {}) };
}

/** A stream that says hello; what else is the test's to write. */
function stream(): { response: (signal: AbortSignal) => Promise<Response>; write: (text: string) => void } {
  let out!: ReadableStreamDefaultController<Uint8Array>;
  const write = (text: string): void => out.enqueue(new TextEncoder().encode(text));
  return {
    write,
    response: async (signal) => {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          out = controller;
          signal.addEventListener('abort', () => controller.error(signal.reason));
        },
      });
      write(HELLO);
      return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
    },
  };
}

describe('silence', () => {
  test('of 12 s is a lost agent, whatever the socket says', async () => {
    const { store } = scripted(stream().response);
    await vi.advanceTimersByTimeAsync(0);
    expect(store.getSnapshot().agent).toBe('connected');
    await vi.advanceTimersByTimeAsync(11_999);
    expect(store.getSnapshot()).toMatchObject({ agent: 'connected', quality: { level: 'good' } });
    await vi.advanceTimersByTimeAsync(1);
    expect(store.getSnapshot()).toMatchObject({ agent: 'lost', quality: { level: 'unknown' } });
    expect(store.getSnapshot().agentInfo.error).toMatch(/silent/);
    store.stop();
  });

  test('is broken by a heartbeat', async () => {
    const { response, write } = stream();
    const { store, calls } = scripted(response);
    for (let i = 0; i < 20; i++) {
      await vi.advanceTimersByTimeAsync(11_000);
      write(': beat\n\n');
    }
    expect(store.getSnapshot().agent).toBe('connected');
    expect(calls).toHaveLength(1);
    store.stop();
  });

  test('of an agent that takes the request and doesn’t answer is seen after 5 s', async () => {
    const never = (signal: AbortSignal): Promise<Response> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const { store } = scripted(never);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(store.getSnapshot().agent).toBe('connecting');
    await vi.advanceTimersByTimeAsync(1);
    expect(store.getSnapshot().agent).toBe('lost');
    store.stop();
  });

  test('while the computer slept is none: the page reads first what arrived', async () => {
    const { response, write } = stream();
    const { store, calls } = scripted(response);
    await vi.advanceTimersByTimeAsync(5_000);
    vi.setSystemTime(Date.now() + 3_600_000);
    await vi.advanceTimersByTimeAsync(7_000);
    expect(store.getSnapshot().agent).toBe('connected');
    write(': beat\n\n');
    await vi.advanceTimersByTimeAsync(11_000);
    expect(store.getSnapshot().agent).toBe('connected');
    expect(calls).toHaveLength(1);
    // And if nothing did arrive, the agent is lost all the same.
    vi.setSystemTime(Date.now() + 3_600_000);
    await vi.advanceTimersByTimeAsync(1_000 + 2_000);
    expect(store.getSnapshot().agent).toBe('lost');
    store.stop();
  });
});

describe('the last reader', () => {
  test('leaves the stream open for the linger, exactly', async () => {
    const { store, calls, off } = scripted(stream().response);
    await vi.advanceTimersByTimeAsync(0);
    off();
    await vi.advanceTimersByTimeAsync(1_999);
    expect(store.getSnapshot().agent).toBe('connected');
    const again = store.subscribe(() => {});
    await vi.advanceTimersByTimeAsync(2_500);
    expect(store.getSnapshot().agent).toBe('connected');
    again();
    await vi.advanceTimersByTimeAsync(1_000);
    again(); // twice is as good as once
    await vi.advanceTimersByTimeAsync(500);
    const last = store.subscribe(() => {});
    await vi.advanceTimersByTimeAsync(2_500);
    expect(store.getSnapshot().agent).toBe('connected');
    last();
    await vi.advanceTimersByTimeAsync(1_999);
    expect(store.getSnapshot().agent).toBe('connected');
    await vi.advanceTimersByTimeAsync(1);
    expect(store.getSnapshot().agent).toBe('connecting');
    expect(calls).toHaveLength(1);
  });
});

describe('tries', () => {
  const refused = (): Promise<Response> => Promise.reject(new TypeError('fetch failed'));
  const gaps = (calls: number[]): number[] => calls.slice(1).map((at, i) => at - calls[i]!);

  test('double their distance from 0.2 s to 2 s', async () => {
    const { store, calls } = scripted(refused);
    await vi.advanceTimersByTimeAsync(8_999);
    expect(gaps(calls)).toEqual([200, 400, 800, 1600, 2000, 2000]);
    expect(store.getSnapshot().agentInfo.attempt).toBe(7);
    expect(store.getSnapshot().agentInfo.retryAt).toBe(calls.at(-1)! + 2000);
    store.stop();
  });

  test('with jitter of up to a half', async () => {
    const { store, calls } = scripted(refused, 0.999999);
    await vi.advanceTimersByTimeAsync(4_499);
    expect(gaps(calls).map(Math.round)).toEqual([100, 200, 400, 800, 1000, 1000]);
    store.stop();
  });

  test('begin anew after a stream that held, and not after one that ended at once', async () => {
    let left = 3;
    const { store, calls } = scripted(async () => {
      if (left-- > 0) throw new TypeError('fetch failed');
      return new Response(HELLO, { headers: { 'Content-Type': 'text/event-stream' } });
    });
    await vi.advanceTimersByTimeAsync(1_400 + 1_600);
    expect(gaps(calls)).toEqual([200, 400, 800, 1600]);
    store.stop();

    const held = stream();
    let n = 0;
    const second = scripted((signal) => (n++ % 3 === 2 ? held.response(signal) : refused()));
    await vi.advanceTimersByTimeAsync(600);
    expect(second.store.getSnapshot().agent).toBe('connected');
    await vi.advanceTimersByTimeAsync(5_001);
    held.write(': beat\n\n');
    await vi.advanceTimersByTimeAsync(12_000);
    expect(second.store.getSnapshot().agent).toBe('lost');
    expect(second.store.getSnapshot().agentInfo.attempt).toBe(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(second.calls).toHaveLength(4);
    second.store.stop();
  });

  test('are rare after a refusal', async () => {
    const { store, calls } = scripted(async () => new Response('{"code":"unauthorized"}', { status: 401 }));
    await vi.advanceTimersByTimeAsync(29_999);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toHaveLength(2);
    store.stop();
  });

  test('end with the store, and no timer is left', async () => {
    const { store, calls } = scripted(refused);
    await vi.advanceTimersByTimeAsync(1_000);
    store.stop();
    expect(vi.getTimerCount()).toBe(0);
    const n = calls.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(calls).toHaveLength(n);
    const open = scripted(stream().response);
    await vi.advanceTimersByTimeAsync(0);
    open.store.stop();
    await vi.advanceTimersByTimeAsync(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
