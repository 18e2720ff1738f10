import { useSyncExternalStore } from 'react';
import type { DemoSnapshot, DemoStore } from './store.js';

/** What the demo tells, and how the page gets on with it. */
export function useDemo(demo: DemoStore): DemoSnapshot {
  return useSyncExternalStore(demo.subscribe, demo.getSnapshot);
}
