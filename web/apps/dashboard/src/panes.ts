import { AgentStore, takeToken } from '@chatsdk/core';

/** One client, as the page shows it. */
export interface PaneOf {
  readonly name: string;
  readonly store: AgentStore;
}

/**
 * The clients to show. An agent serves itself at the page's own origin; the demo serves one agent's API for each of its
 * clients, under paths that the address names: `#token=…&panes=/ada,/bob`.
 */
export function findPanes(): readonly PaneOf[] {
  const named = new URLSearchParams(location.hash.slice(1)).get('panes');
  const token = takeToken();
  const paths = (named ?? '').split(',').filter((p) => p === '' || /^(\/[\w-]+)+$/.test(p));
  return (paths.length ? paths : ['']).map((url) => ({ name: url.slice(1), store: new AgentStore({ url, token }) }));
}
