import * as React from 'react';
import { expect, test, vi } from 'vitest';
import {
  ChatSDKProvider,
  NetworkIndicator,
  useConnection,
  useNetworkQuality,
  useOutbox,
  useSnapshot,
  useStore,
  useUpload,
  type NetworkMetrics,
} from '@chatsdk/react';
import { act, OFFLINE, render, renderWith, WELL } from './helpers.tsx';

test('this is the React that was asked for', () => {
  expect(React.version.split('.')[0]).toBe(process.env['REACT']);
});

test('useNetworkQuality tells what the first sketch told, and more', async () => {
  const got: NetworkMetrics[] = [];
  function Probe() {
    got.push(useNetworkQuality());
    return null;
  }
  const { set } = await renderWith({}, <Probe />);
  expect(got.at(-1)).toEqual({
    quality: 'unknown',
    latency: null,
    packetLoss: null,
    isOnline: true,
    timestamp: 0,
    level: 'unknown',
    reach: 'unknown',
    reason: '',
    confidence: 0,
  });
  vi.setSystemTime(1_234_000);
  const quality = { level: 'fair', reach: 'online', rttMs: 212, lossPct: 1.5, reason: 'rtt', confidence: 0.9 } as const;
  await set({ quality });
  const fair = got.at(-1);
  expect(fair).toEqual({
    quality: 'fair',
    latency: 210,
    packetLoss: 1.5,
    isOnline: true,
    timestamp: 1_234_000,
    level: 'fair',
    reach: 'online',
    reason: 'rtt',
    confidence: 0.9,
  });
  const renders = got.length;
  await set({ outbox: { queued: 1 } });
  expect(got).toHaveLength(renders);
  for (const reach of ['offline', 'captive', 'server-down'] as const) {
    await set({ quality: { level: 'good', reach } });
    expect(got.at(-1)!.isOnline).toBe(false);
  }
});

test.each([
  [0, 1],
  [0.3, 1],
  [9.9, 9],
  [10, 10],
  [49.9, 45],
  [50, 50],
  [149.9, 145],
  [812.3, 810],
])('a round trip of %d ms is shown as %d', async (rttMs, shown) => {
  let latency: number | null = null;
  function Probe() {
    latency = useNetworkQuality((m) => m.latency);
    return null;
  }
  await renderWith({ quality: { level: 'good', rttMs } }, <Probe />);
  expect(latency).toBe(shown);
});

test('a selector renders again only for what it picks, also an object made anew', async () => {
  let renders = 0;
  const values: object[] = [];
  function Probe() {
    renders++;
    values.push(useNetworkQuality((m) => ({ online: m.isOnline, level: m.level })));
    return null;
  }
  const { set } = await renderWith(WELL, <Probe />);
  const before = renders;
  await set({ quality: { level: 'good', reach: 'online', rttMs: 95, confidence: 0.5 } });
  expect(renders).toBe(before);
  await set(OFFLINE);
  expect(renders).toBeGreaterThan(before);
  expect(values.at(-1)).toEqual({ online: false, level: 'offline' });
});

test('an equal object stays the same one when the component renders for another reason', async () => {
  const values = new Set<object>();
  let again!: (n: number) => void;
  function Probe() {
    [, again] = React.useState(0);
    values.add(useSnapshot((s) => ({ level: s.quality.level })));
    return null;
  }
  await renderWith(WELL, <Probe />);
  const before = values.size; // StrictMode's two renders may hold one each
  await act(async () => again(1));
  await act(async () => again(2));
  expect(values.size).toBe(before);
});

test('a selector that closes over something sees the newest', async () => {
  let choose!: (id: string) => void;
  function Probe() {
    const [id, set] = React.useState('a');
    choose = set;
    return <>{useUpload(id)?.name ?? 'none'}</>;
  }
  const upload = { channel: '', total: 0, sent: 0, resumedFrom: 0, state: 'sending', error: '', bps: null } as const;
  const uploads = [
    { ...upload, id: 'a', name: 'first' },
    { ...upload, id: 'b', name: 'second' },
  ];
  const { box, set } = await renderWith({ uploads }, <Probe />);
  expect(box.textContent).toBe('first');
  await act(async () => choose('b'));
  expect(box.textContent).toBe('second');
  await set({ uploads: [] });
  expect(box.textContent).toBe('none');
});

test('useConnection tells state, reason, and the next try by this clock', async () => {
  let got!: ReturnType<typeof useConnection>;
  function Probe() {
    got = useConnection();
    return null;
  }
  const { set } = await renderWith({}, <Probe />);
  expect(got).toMatchObject({ state: 'disconnected', retryAt: null, status: 'unknown', agent: 'none' });
  await set({
    agent: 'connected',
    agentInfo: { skewMs: 3_600_000 },
    session: { state: 'fresh' },
    connection: { state: 'reconnecting', reason: 'link lost', attempt: 3, retryAt: '2026-11-30T11:00:02.500Z' },
  });
  expect(got).toMatchObject({
    state: 'reconnecting',
    reason: 'link lost',
    attempt: 3,
    retryAt: Date.UTC(2026, 10, 30, 10, 0, 2, 500),
    session: 'fresh',
    agent: 'connected',
    status: 'reconnecting',
  });
});

test('useOutbox hands on the store’s actions, and rejects without any', async () => {
  let got!: ReturnType<typeof useOutbox>;
  function Probe() {
    got = useOutbox();
    return null;
  }
  const { store, set } = await renderWith({ outbox: { queued: 2 } }, <Probe />);
  expect(got.queued).toBe(2);
  await expect(got.send('general', 'hi')).rejects.toThrow('no agent');
  const send = vi.fn(async () => ({ id: 'x', durable: true }));
  Object.assign(store, { actions: { send } });
  await set({ outbox: { queued: 3 } });
  expect(await got.send('general', 'hi')).toEqual({ id: 'x', durable: true });
  expect(send).toHaveBeenCalledWith('general', 'hi');
  const same = got;
  await set(WELL);
  expect(got).toBe(same);
});

test('without a provider it is said what is missing', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => {});
  let message = '';
  class Boundary extends React.Component<{ children: React.ReactNode }, { failed: boolean }> {
    override state = { failed: false };
    static getDerivedStateFromError(error: Error) {
      message = error.message;
      return { failed: true };
    }
    override render() {
      return this.state.failed ? null : this.props.children;
    }
  }
  await render(
    <Boundary>
      <NetworkIndicator />
    </Boundary>,
  );
  log.mockClear();
  expect(message).toContain('ChatSDKProvider');
});

test('another store in the provider is the one that is shown, and the first is let go', async () => {
  const { CountingStore } = await import('./helpers.tsx');
  const [a, b] = [new CountingStore(WELL), new CountingStore(OFFLINE)];
  let choose!: (s: typeof a) => void;
  function App() {
    const [store, set] = React.useState(a);
    choose = set;
    return (
      <ChatSDKProvider store={store!}>
        <NetworkIndicator />
        <Probe />
      </ChatSDKProvider>
    );
  }
  function Probe() {
    return <i>{useStore() === b ? 'b' : 'a'}</i>;
  }
  const box = await render(<App />);
  expect(box.textContent).toContain('Good');
  await act(async () => choose(b));
  expect(box.textContent).toContain('Offline');
  expect(box.querySelector('i')!.textContent).toBe('b');
  await act(async () => void (await vi.advanceTimersByTimeAsync(2000)));
  expect(a!.ended).toBe(1);
  expect(b!.ended).toBe(0);
});
