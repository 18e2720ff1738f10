// Every state, as an indicator and as a banner.
import { Fragment, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { MemoryStore } from '@chatsdk/core';
import { ChatSDKProvider, ConnectionBanner, NetworkIndicator } from '@chatsdk/react';
import '@chatsdk/react/style.css';
import { STATES } from '../states.ts';

const cards = STATES.map((state) => ({ ...state, store: new MemoryStore(state.patch) }));

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <h1>Every state of the connection</h1>
    {cards.map(({ name, store }) => (
      <ChatSDKProvider key={name} store={store} announce={false}>
        <Fragment>
          <h2>{name}</h2>
          <div>
            <NetworkIndicator />
          </div>
          <div>
            <ConnectionBanner delayMs={0} onSignIn={() => {}} />
          </div>
        </Fragment>
      </ChatSDKProvider>
    ))}
  </StrictMode>,
);
