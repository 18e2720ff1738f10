// Twenty indicators without an agent: one monitor, which measures the path from this page to its server.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserMonitor } from '@chatsdk/core/monitor';
import { ChatSDKProvider, ConnectionBanner, NetworkIndicator } from '@chatsdk/react';
import '@chatsdk/react/style.css';

const store = new BrowserMonitor();

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <ChatSDKProvider store={store} announceAfterMs={200}>
      <h1>Twenty indicators</h1>
      <ConnectionBanner delayMs={300} />
      {Array.from({ length: 20 }, (_, i) => (
        <NetworkIndicator key={i} />
      ))}
    </ChatSDKProvider>
  </StrictMode>,
);

Object.assign(globalThis, { store });
