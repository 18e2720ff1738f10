import { describe, expect, test, vi } from 'vitest';
import { ChatSDKProvider, NetworkIndicator, useAnnouncement } from '@chatsdk/react';
import { statusOf, type SnapshotPatch } from '@chatsdk/core';
import { STATES } from '../../../test/states.ts';
import { CountingStore, OFFLINE, render, renderWith, wait, WELL } from './helpers.tsx';

const status = (box: HTMLElement): HTMLElement => box.querySelector('[role=status]')!;

describe('NetworkIndicator', () => {
  test.each(STATES)('$name', async ({ patch, status, text, bars }) => {
    const { box, store } = await renderWith(patch, <NetworkIndicator />);
    expect(statusOf(store.getSnapshot())).toBe(status);
    const indicator = box.querySelector('.chatsdk-indicator')!;
    expect(indicator.textContent).toBe(`Connection: ${text}`);
    expect(indicator.getAttribute('data-status')).toBe(status);
    expect(indicator.querySelectorAll('rect[data-on=true]')).toHaveLength(bars);
  });

  test('no two states look alike without colour and words: bars and sign differ', async () => {
    const looks = new Map<string, string[]>();
    for (const { name, patch, group } of STATES) {
      const { box } = await renderWith(patch, <NetworkIndicator />);
      const svg = box.querySelector('svg')!;
      const bars = svg.querySelectorAll('rect[data-on=true]').length;
      const look = `${bars} ${svg.querySelector('path')!.getAttribute('d')}`;
      looks.set(look, [...(looks.get(look) ?? []), group ?? name]);
    }
    for (const names of looks.values()) expect(new Set(names).size, names.join()).toBe(1);
  });

  test('shows each change', async () => {
    const { box, set } = await renderWith({}, <NetworkIndicator />);
    expect(box.textContent).toBe('Connection: Checking…');
    await set(WELL);
    expect(box.textContent).toBe('Connection: Good80 ms');
    await set(OFFLINE);
    expect(box.textContent).toBe('Connection: OfflineReconnecting…');
    await set(WELL);
    expect(box.textContent).toBe('Connection: Good80 ms');
  });

  test('nobody reconnects who was told to disconnect', async () => {
    const { box } = await renderWith(
      { agent: 'connected', quality: { level: 'offline' }, connection: { state: 'disconnected' } },
      <NetworkIndicator />,
    );
    expect(box.textContent).toBe('Connection: Offline');
  });

  test('a level that this version doesn’t know isn’t shown as a good one', async () => {
    const { box } = await renderWith({ quality: { level: 'superb' as 'good' } }, <NetworkIndicator />);
    expect(box.textContent).toBe('Connection: Checking…');
  });

  test('changes nothing in the page for noise', async () => {
    const { box, set } = await renderWith(WELL, <NetworkIndicator />);
    let changes = 0;
    const observer = new MutationObserver((m) => (changes += m.length));
    observer.observe(box, { subtree: true, childList: true, characterData: true, attributes: true });
    await set({ quality: { level: 'good', reach: 'online', rttMs: 84.9, confidence: 0.4 }, connection: { state: 'connected' } });
    expect(observer.takeRecords().length + changes).toBe(0);
    await set({ quality: { level: 'good', reach: 'online', rttMs: 85, confidence: 0.4 } });
    expect(observer.takeRecords().length + changes).toBeGreaterThan(0);
    observer.disconnect();
  });

  test('without latency, with attributes of the page’s own', async () => {
    const { box } = await renderWith(WELL, <NetworkIndicator showLatency={false} className="mine" title="t" id="i" />);
    expect(box.textContent).toBe('Connection: Good');
    expect(box.querySelector('#i.mine.chatsdk-indicator')!.getAttribute('title')).toBe('t');
  });

  test('in other words: from the provider, and from the indicator over those', async () => {
    const labels = {
      connection: 'Verbindung',
      latency: (ms: number) => `${ms} Millisekunden`,
      status: { good: { label: 'Gut' }, offline: { label: 'Getrennt' } },
    };
    const { box, set } = await renderWith(
      WELL,
      <>
        <NetworkIndicator />
        <NetworkIndicator labels={{ status: { good: { label: 'Prima' } } }} />
      </>,
      { labels },
    );
    const texts = () => [...box.querySelectorAll('.chatsdk-indicator')].map((e) => e.textContent);
    expect(texts()).toEqual(['Verbindung: Gut80 Millisekunden', 'Verbindung: Prima80 Millisekunden']);
    await set(OFFLINE);
    // What isn't replaced stays.
    expect(texts()).toEqual(['Verbindung: GetrenntReconnecting…', 'Verbindung: GetrenntReconnecting…']);
  });

  test('twenty of them in StrictMode: one store at work, one announcer', async () => {
    const { box, store } = await renderWith(
      WELL,
      Array.from({ length: 20 }, (_, i) => <NetworkIndicator key={i} />),
    );
    await wait(10_000);
    expect(box.querySelectorAll('.chatsdk-indicator')).toHaveLength(20);
    expect(store).toMatchObject({ begun: 1, ended: 0 });
    expect(box.querySelectorAll('[role=status]')).toHaveLength(1);
    expect(box.querySelectorAll('[aria-live]')).toHaveLength(0);
  });
});

describe('announcements', () => {
  test('are of changes that settled only', async () => {
    const { box, set } = await renderWith(WELL, <NetworkIndicator />);
    await wait(2000);
    expect(status(box).textContent).toBe(''); // all is well: no news
    await set(OFFLINE);
    await wait(1999);
    expect(status(box).textContent).toBe('');
    await wait(1);
    expect(status(box).textContent).toBe('Connection: Offline Reconnecting…');
    await set(WELL);
    await wait(2000);
    expect(status(box).textContent).toBe('Connection: Good ');
  });

  test('leave out what passes, and the figure', async () => {
    const { box, set } = await renderWith(WELL, <NetworkIndicator />);
    const said: (string | null)[] = [];
    const observer = new MutationObserver(() => said.push(status(box).textContent));
    observer.observe(status(box), { subtree: true, childList: true, characterData: true });
    await wait(2000);
    for (let i = 0; i < 10; i++) {
      await set(OFFLINE);
      await wait(1500);
      await set({ ...WELL, quality: { ...WELL.quality, rttMs: 60 + i * 7 } });
      await wait(2500);
    }
    observer.disconnect();
    expect(said).toEqual([]);
  });

  test('tell that a page begins badly', async () => {
    const { box } = await renderWith({ agent: 'lost' }, <NetworkIndicator />);
    await wait(2000);
    expect(status(box).textContent).toBe('Connection: Chat program not running ');
  });

  test('don’t tell that nothing is known for a moment', async () => {
    const { box, set } = await renderWith({}, <NetworkIndicator />);
    await wait(5000);
    await set(WELL);
    await wait(5000);
    await set({});
    await set({ quality: { level: 'unknown' } });
    await wait(5000);
    await set(WELL);
    await wait(5000);
    expect(status(box).textContent).toBe('');
  });

  test('come from one voice, however many roots share a store; the next takes over', async () => {
    const store = new CountingStore(WELL);
    const app = (on: boolean) => <ChatSDKProvider store={store} announce={on} />;
    const { act } = await import('./helpers.tsx');
    const { useState } = await import('react');
    let mute!: () => void;
    function First() {
      const [on, set] = useState(true);
      mute = () => set(false);
      return app(on);
    }
    const a = await render(<First />);
    const b = await render(app(true));
    const other = await renderWith(WELL, null);
    await wait(2000);
    await act(async () => store.set(OFFLINE));
    await wait(2000);
    expect([status(a).textContent, status(b).textContent]).toEqual(['Connection: Offline Reconnecting…', '']);
    await other.set(OFFLINE);
    await wait(2000);
    expect(status(other.box).textContent).toBe('Connection: Offline Reconnecting…'); // another store, another matter
    await act(async () => mute());
    await act(async () => store.set(WELL));
    await wait(2000);
    expect(status(b).textContent).toBe('Connection: Good ');
  });

  test('can stand in a live region of the page’s own', async () => {
    const Own = () => <p>{useAnnouncement()}</p>;
    const { box, set } = await renderWith(WELL, <Own />, { announce: false });
    const said = (): string | null => box.querySelector('p')!.textContent;
    await wait(2000);
    await set(OFFLINE);
    await wait(1999);
    expect(said()).toBe('');
    await wait(1);
    expect(said()).toBe('Connection: Offline Reconnecting…');
    expect(status(box)).toBe(null);
  });

  test('can be off, and slower', async () => {
    const { box } = await renderWith({ agent: 'lost' }, <NetworkIndicator />, { announce: false });
    expect(status(box)).toBe(null);
    const slow = await renderWith({ agent: 'lost' }, <NetworkIndicator />, { announceAfterMs: 9000 });
    await wait(8999);
    expect(status(slow.box).textContent).toBe('');
    await wait(1);
    expect(status(slow.box).textContent).not.toBe('');
  });

  test('leave no timer behind', async () => {
    const { box } = await renderWith(OFFLINE satisfies SnapshotPatch, <NetworkIndicator />);
    expect(status(box)).not.toBe(null);
    expect(vi.getTimerCount()).toBe(1);
  });
});
