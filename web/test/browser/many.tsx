// Twenty indicators over an agent: one stream.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { AgentStore, takeToken } from '@chatsdk/core';
import { ChatSDKProvider, ConnectionBanner, NetworkIndicator, useOutbox } from '@chatsdk/react';
import '@chatsdk/react/style.css';

const url = new URLSearchParams(location.search).get('agent') ?? '';
const store = new AgentStore({ url, token: takeToken() });

function Waiting() {
  return <p id="queued">{useOutbox().queued}</p>;
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <ChatSDKProvider store={store} announceAfterMs={200}>
      <h1>Twenty indicators</h1>
      <ConnectionBanner delayMs={300} />
      <Waiting />
      {Array.from({ length: 20 }, (_, i) => (
        <NetworkIndicator key={i} />
      ))}
    </ChatSDKProvider>
  </StrictMode>,
);

Object.assign(globalThis, { store });
