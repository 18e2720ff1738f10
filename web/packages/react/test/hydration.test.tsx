import { StrictMode } from 'react';
import { hydrateRoot, type Root } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { expect, test } from 'vitest';
import { ChatSDKProvider, ConnectionBanner, NetworkIndicator } from '@chatsdk/react';
import { act, CountingStore, OFFLINE, WELL } from './helpers.tsx';

// The errors that hydration logs fail a test in helpers.tsx.
test.each([
  ['well', WELL, 'Good'],
  ['offline', OFFLINE, 'Offline'],
  ['signed out', { session: { state: 'reauth-required' } } as const, 'Signed out'],
])('a page that a server rendered is taken over by a browser that is %s', async (_, patch, word) => {
  const app = (store: CountingStore) => (
    <StrictMode>
      <ChatSDKProvider store={store}>
        <NetworkIndicator />
        <ConnectionBanner />
      </ChatSDKProvider>
    </StrictMode>
  );
  const store = new CountingStore(patch);
  const html = renderToString(app(store));
  expect(store.begun).toBe(0);
  const box = document.body.appendChild(document.createElement('div'));
  box.innerHTML = html;
  expect(box.textContent).toBe('Connection: Checking…');
  let root!: Root;
  await act(async () => {
    root = hydrateRoot(box, app(store), { onRecoverableError: (e) => console.error(e) });
  });
  expect(box.textContent).toContain(word);
  expect(store.begun).toBe(1);
  await act(async () => root.unmount());
  box.remove();
});
