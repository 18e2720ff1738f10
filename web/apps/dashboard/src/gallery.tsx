import { MemoryStore } from '@chatsdk/core';
import { ChatSDKProvider, ConnectionBanner, NetworkIndicator } from '@chatsdk/react';
import { Fragment, type ReactElement } from 'react';
import { states } from './states.js';

const cards = states.map((state) => ({ ...state, store: new MemoryStore(state.patch) }));

/** Every state, as an indicator and as a banner. */
export function Gallery(): ReactElement {
  return (
    <>
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
    </>
  );
}
