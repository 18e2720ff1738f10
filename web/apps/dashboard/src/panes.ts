import { AgentStore, takeToken } from '@chatsdk/core';
import { DemoStore } from './demo/store.js';

/** One client, as the page shows it. */
export interface PaneOf {
  readonly name: string;
  /** Where its agent's API is: a path of the page's origin, empty for the origin itself. */
  readonly path: string;
  readonly store: AgentStore;
}

/** What the page is for. */
export interface Wanted {
  readonly panes: readonly PaneOf[];
  /** The demo that plays with the clients' networks, or null where an agent alone serves the page. */
  readonly demo: DemoStore | null;
}

/** A path of this origin: never a `//host`, which would get the token. */
const PATH = /^(\/[\w-]+)+$/;

/**
 * What to show. An agent serves itself at the page's own origin; the demo serves one agent's API for each of its clients,
 * and its own, under paths that the address names: `#token=…&panes=/ada,/bob&demo=/demo`.
 */
export function findWanted(): Wanted {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = takeToken();
  const named = (fragment.get('panes') ?? '').split(',').filter((p) => p === '' || PATH.test(p));
  const demo = fragment.get('demo') ?? '';
  return {
    panes: (named.length ? named : ['']).map((path) => ({
      name: path.slice(1),
      path,
      store: new AgentStore({ url: path, token }),
    })),
    demo: PATH.test(demo) ? new DemoStore({ url: demo, token }) : null,
  };
}
