import { useSyncExternalStore } from 'react';
import type { DemoSnapshot, DemoStore } from './store.js';

/** What the demo tells, and how the page gets on with it. */
export function useDemo(demo: DemoStore): DemoSnapshot {
  return useSyncExternalStore(demo.subscribe, demo.getSnapshot);
}

/** Whether there is no use in asking the demo for something: it isn't there, or it is busy with what it was asked for. */
export function useBusy(demo: DemoStore): boolean {
  const { asked, standing } = useDemo(demo);
  return asked !== null || standing !== 'connected';
}
