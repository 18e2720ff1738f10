// One store that the test writes to; `show` tells how long the page took to show it.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { EMPTY, MemoryStore, type SnapshotPatch } from '@chatsdk/core';
import { ChatSDKProvider, ConnectionBanner, NetworkIndicator } from '@chatsdk/react';
import '@chatsdk/react/style.css';
import { STATES } from '../states.ts';

const store = new MemoryStore();

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <ChatSDKProvider store={store} announceAfterMs={200}>
      <h1>One store</h1>
      <NetworkIndicator />
      <ConnectionBanner delayMs={0} />
    </ChatSDKProvider>
  </StrictMode>,
);

/** Puts a state into the store, and resolves with the ms until it is in the page, and until a frame has shown it. */
function show(name: string): Promise<{ readonly page: number; readonly frame: number }> {
  const { patch, status, text } = STATES.find((s) => s.name === name)!;
  const indicator = document.querySelector<HTMLElement>('.chatsdk-indicator')!;
  const began = performance.now();
  return new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      if (indicator.dataset['status'] !== status || indicator.textContent !== `Connection: ${text}`) return;
      observer.disconnect();
      const page = performance.now() - began;
      // The first callback comes before the frame is drawn, the second after it.
      requestAnimationFrame(() => requestAnimationFrame(() => resolve({ page, frame: performance.now() - began })));
    });
    observer.observe(indicator, { subtree: true, childList: true, characterData: true, attributes: true });
    store.set({ ...(EMPTY as SnapshotPatch), ...patch });
  });
}

Object.assign(globalThis, { show, states: STATES.map((s) => s.name) });
