import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MemoryStore } from '@chatsdk/core';
import { summaryOf } from '../src/summary.ts';
import { CAPACITY, extend, MOST_SPANS, Ring, SLOT_MS, Timeline, WINDOW_MS, wordsOf, type Page } from '../src/timeline.ts';

const START = Date.parse('2026-11-30T10:00:00Z');
beforeEach(() => void vi.useFakeTimers({ now: START }));
afterEach(() => void vi.useRealTimers());

test('the ring forgets the oldest, and tells those since a time with the one before', () => {
  const ring = new Ring(3);
  expect([ring.length, ring.last, ring.since(0).times]).toEqual([0, -Infinity, []]);
  for (let i = 1; i <= 5; i++) ring.push(i, i === 4 ? null : i * 10, i);
  expect([ring.length, ring.last]).toEqual([3, 5]);
  expect(ring.since(0)).toEqual({ times: [3, 4, 5], rtt: [30, null, 50], queued: [3, 4, 5] });
  expect(ring.since(4).times).toEqual([4, 5]);
  expect(ring.since(4.5).times).toEqual([4, 5]);
  expect(ring.since(9).times).toEqual([5]);
  ring.amend(7, 2);
  expect(ring.since(5)).toEqual({ times: [5], rtt: [7], queued: [5] });
  ring.clear();
  expect([ring.length, ring.since(0).times]).toEqual([0, []]);
});

/** A document that can be hidden. */
class TestPage {
  visibilityState: DocumentVisibilityState = 'visible';
  readonly calls = new Set<() => void>();
  readonly addEventListener = (_: string, call: unknown): void => void this.calls.add(call as () => void);
  readonly removeEventListener = (_: string, call: unknown): void => void this.calls.delete(call as () => void);

  show(state: DocumentVisibilityState): void {
    this.visibilityState = state;
    for (const call of this.calls) call();
  }
}

function begin() {
  const store = new MemoryStore({ agent: 'connected' });
  const page = new TestPage();
  const timeline = new Timeline(store, page as unknown as Page);
  let told = 0;
  const off = timeline.subscribe(() => void told++);
  const rtt = (rttMs: number | null, queued = 0): void =>
    store.set({ quality: { level: 'good', reach: 'online', rttMs }, outbox: { queued } });
  return { store, page, timeline, off, rtt, told: () => told };
}

test('samples at its pace and at each change, drawn at most once in a slot', () => {
  const { timeline, rtt, told } = begin();
  vi.advanceTimersByTime(500); // the first sample is of the beginning
  const before = told();
  for (let i = 1; i <= 10; i++) rtt(i, 11 - i);
  expect(told()).toBe(before);
  vi.advanceTimersByTime(SLOT_MS);
  expect(told()).toBe(before + 1);
  const view = timeline.getSnapshot();
  expect(timeline.getSnapshot()).toBe(view);
  expect(view.times).toEqual([START, START + 500]);
  // The last round trip, and the longest queue.
  expect([view.rtt.at(-1), view.queued.at(-1)]).toEqual([10, 10]);
  vi.advanceTimersByTime(1000);
  expect(timeline.getSnapshot()).toMatchObject({ rtt: [null, 10, 10], queued: [0, 10, 1] });
});

test('half an hour of changes takes no more room, and the window stays full', () => {
  const { timeline, rtt } = begin();
  for (let i = 0; i < 30 * 60 * 4; i++) {
    vi.advanceTimersByTime(SLOT_MS);
    rtt(50 + (i % 7), i % 3);
  }
  const { times, lanes, at } = timeline.getSnapshot();
  expect(times.length).toBeLessThanOrEqual(CAPACITY);
  expect(at - times[0]!).toBeGreaterThanOrEqual(WINDOW_MS);
  expect(lanes.level.map((s) => s.word)).toEqual(['good']);
});

test('a state that flaps fills no more than its lane', () => {
  let spans = extend([], 'good', 0);
  for (let i = 1; i <= 10_000; i++) spans = extend(spans, i % 2 ? 'offline' : 'good', i);
  expect(spans.length).toBe(MOST_SPANS);
  expect(spans.at(-1)).toEqual({ from: 10_000, to: null, word: 'good' });
  // What is out of the window goes, and what is so now stays however old.
  spans = extend(spans, 'good', 10_000 + 2 * WINDOW_MS);
  expect(spans).toEqual([{ from: 10_000, to: null, word: 'good' }]);
  expect(extend(spans, 'good', 10_000 + 3 * WINDOW_MS)).toBe(spans);
});

test('while hidden nothing is drawn, and what changed is known afterwards', () => {
  const { page, store, timeline, rtt, told } = begin();
  rtt(50);
  vi.advanceTimersByTime(2000);
  page.show('hidden');
  const [before, view] = [told(), timeline.getSnapshot()];
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(60_000);
  store.set({ quality: { level: 'offline', reach: 'offline' } });
  vi.advanceTimersByTime(30_000);
  expect([told(), timeline.getSnapshot(), vi.getTimerCount()]).toEqual([before, view, 0]);
  page.show('visible');
  const { times, rtt: shown, lanes } = timeline.getSnapshot();
  expect(told()).toBe(before + 1);
  expect(lanes.level).toMatchObject([{ word: 'unknown' }, { word: 'good' }, { from: START + 62_000, to: null, word: 'offline' }]);
  // The line has a hole where nobody looked.
  expect(shown[times.findIndex((t) => t > START + 2000)]).toBe(null);
});

test('nobody looks: no timer, no listener', () => {
  const { off, page, timeline, rtt, told } = begin();
  off();
  const before = told();
  rtt(10);
  vi.advanceTimersByTime(10_000);
  expect([told(), page.calls.size]).toEqual([before, 0]);
  expect(vi.getTimerCount()).toBe(0);
  const again = timeline.subscribe(() => {});
  expect(timeline.getSnapshot().rtt.at(-1)).toBe(10);
  again();
});

test('a clock that is set back begins anew', () => {
  const { timeline, rtt } = begin();
  rtt(50);
  vi.advanceTimersByTime(5000);
  vi.setSystemTime(START - 3_600_000);
  vi.advanceTimersByTime(1000);
  const { times, lanes } = timeline.getSnapshot();
  expect(times).toEqual([START - 3_600_000 + 1000]);
  expect(lanes.level).toEqual([{ from: times[0], to: null, word: 'good' }]);
});

test('the words of the lanes', () => {
  const store = new MemoryStore({ agent: 'connected', quality: { level: 'offline', reach: 'captive' }, session: { state: 'fresh' } });
  expect(wordsOf(store.getSnapshot())).toEqual({ level: 'captive', connection: 'disconnected', circuit: 'closed', session: 'fresh' });
  store.set({ quality: { level: 'unknown', reach: 'server-down' } });
  expect(wordsOf(store.getSnapshot()).level).toBe('server-down');
  store.set({ quality: { level: 'offline', reach: 'offline' } });
  expect(wordsOf(store.getSnapshot()).level).toBe('offline');
  store.set({ quality: { level: 'poor', reach: 'online' } });
  expect(wordsOf(store.getSnapshot()).level).toBe('poor');
  store.set({ agent: 'lost' });
  expect(wordsOf(store.getSnapshot())).toEqual({ level: '', connection: '', circuit: '', session: '' });
});

test('the picture in words', () => {
  const { store, timeline, rtt } = begin();
  expect(summaryOf(timeline.getSnapshot(), 'ada')).toMatch(/^The last 2 minutes of ada\. Round trip: not known\. Messages that wait: at most 0, now 0\./);
  rtt(60);
  vi.advanceTimersByTime(10_000);
  rtt(110.4, 3);
  vi.advanceTimersByTime(10_000);
  // The agent goes on telling the last round trip: it isn't one of now.
  store.set({ quality: { level: 'offline', reach: 'offline', rttMs: 110.4 } });
  vi.advanceTimersByTime(20_000);
  expect(summaryOf(timeline.getSnapshot(), 'ada')).toBe(
    'The last 2 minutes of ada. Round trip: 60 to 110 ms, now not known. Messages that wait: at most 3, now 3. ' +
      'Level: unknown 0 s, then good 20 s, then offline 20 s. Connection: disconnected 40 s. Circuit: closed 40 s. Session: none 40 s.',
  );
  let spans = extend([], 'a', 0);
  for (const word of 'bcdefg') spans = extend(spans, word, spans.length * 1000);
  const lanes = { level: spans, connection: [], circuit: [], session: [] };
  expect(summaryOf({ at: 7000, times: [], rtt: [], queued: [], lanes }, 'x')).toContain(
    'Level: 7 states, at last c 1 s, then d 1 s, then e 1 s, then f 1 s, then g 1 s. Connection: not known.',
  );
});
