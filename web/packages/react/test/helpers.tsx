import * as React from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { MemoryStore, type SnapshotPatch } from '@chatsdk/core';
import { ChatSDKProvider, type ChatSDKProviderProps } from '@chatsdk/react';

declare global {
  var IS_REACT_ACT_ENVIRONMENT: boolean;
}
globalThis.IS_REACT_ACT_ENVIRONMENT = true;

// Newer Reacts have it in their own package, older ones beside react-dom.
export const act: typeof React.act = React.act ?? ((await import('react-dom/test-utils')) as unknown as typeof React).act;

/** A store that counts how often it began and ended its work. */
export class CountingStore extends MemoryStore {
  begun = 0;
  ended = 0;
  protected override work(signal?: AbortSignal): void {
    this.begun++;
    signal?.addEventListener('abort', () => this.ended++);
  }
}

const roots: { readonly root: Root; readonly box: HTMLElement }[] = [];
let errors: ReturnType<typeof vi.spyOn>;

beforeEach(() => {
  vi.useFakeTimers();
  errors = vi.spyOn(console, 'error');
});

// Whatever React has to complain about fails the test.
afterEach(async () => {
  const said = errors.mock.calls.map((args: unknown[]) => args.join(' '));
  errors.mockRestore();
  for (const { root, box } of roots.splice(0)) {
    await act(async () => root.unmount());
    box.remove();
  }
  vi.useRealTimers();
  expect(said).toEqual([]);
});

export async function render(node: React.ReactNode): Promise<HTMLElement> {
  const box = document.body.appendChild(document.createElement('div'));
  const root = createRoot(box);
  roots.push({ root, box });
  await act(async () => root.render(<React.StrictMode>{node}</React.StrictMode>));
  return box;
}

/** Renders inside of a provider with a store of its own. */
export async function renderWith(
  patch: SnapshotPatch,
  node: React.ReactNode,
  props?: Partial<ChatSDKProviderProps>,
): Promise<{ box: HTMLElement; store: CountingStore; set: (patch: SnapshotPatch) => Promise<void> }> {
  const store = new CountingStore(patch);
  const box = await render(
    <ChatSDKProvider store={store} {...props}>
      {node}
    </ChatSDKProvider>,
  );
  return { box, store, set: (p) => act(async () => store.set(p)) };
}

export const wait = (ms: number): Promise<void> => act(async () => void (await vi.advanceTimersByTimeAsync(ms)));

export const WELL: SnapshotPatch = {
  agent: 'connected',
  quality: { level: 'good', reach: 'online', rttMs: 83.4 },
  connection: { state: 'connected', synced: true },
};
export const OFFLINE: SnapshotPatch = {
  quality: { level: 'offline', reach: 'offline' },
  connection: { state: 'reconnecting' },
};
