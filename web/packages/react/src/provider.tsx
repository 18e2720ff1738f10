import type { Store } from '@chatsdk/core';
import { useMemo, type ReactElement, type ReactNode } from 'react';
import { Announcer } from './announcer.js';
import { defaultLabels, withLabels, type LabelOverrides } from './labels.js';
import { Context } from './store.js';

export interface ChatSDKProviderProps {
  /** Made outside of React, once: `new AgentStore({…})`. */
  readonly store: Store;
  /** Texts in place of the English ones, for everything inside. Keep the object: each new one renders all again. */
  readonly labels?: LabelOverrides;
  /** Announces settled changes to those who hear a page, once a page. Defaults to true. */
  readonly announce?: boolean;
  /** How long a change has to last before it is announced, in ms. Defaults to 2000. */
  readonly announceAfterMs?: number;
  readonly children?: ReactNode;
}

/** Hands a store to all hooks and components inside. */
export function ChatSDKProvider(props: ChatSDKProviderProps): ReactElement {
  const { store, labels, announce = true, announceAfterMs, children } = props;
  const value = useMemo(() => ({ store, labels: withLabels(defaultLabels, labels) }), [store, labels]);
  return (
    <Context.Provider value={value}>
      {children}
      {announce && <Announcer afterMs={announceAfterMs} />}
    </Context.Provider>
  );
}
