import type { Snapshot, Store } from '@chatsdk/core';
import { createContext, useContext, useMemo, useRef, useSyncExternalStore } from 'react';
import { withLabels, type LabelOverrides, type Labels } from './labels.js';

export const Context = createContext<{ readonly store: Store; readonly labels: Labels } | null>(null);

function useProvided(): { readonly store: Store; readonly labels: Labels } {
  const provided = useContext(Context);
  if (!provided) throw new Error('chatsdk: no ChatSDKProvider around this');
  return provided;
}

/** The store that the provider was given. */
export function useStore(): Store {
  return useProvided().store;
}

/** The provider's texts, with some replaced. */
export function useLabels(over?: LabelOverrides): Labels {
  const { labels } = useProvided();
  return useMemo(() => withLabels(labels, over), [labels, over]);
}

/**
 * What a function picks of the snapshot. The component renders again only when that changes: objects and lists are
 * compared field by field, one level deep, and equal ones stay the same object. The function may be written in place.
 */
export function useSnapshot<T>(select: (snapshot: Snapshot) => T): T {
  const store = useStore();
  // Only to keep equal values the same object when the function is another one: whatever is in it, the value is right.
  const last = useRef<T | undefined>(undefined);
  const [get, getServer] = useMemo(
    () =>
      [store.getSnapshot, store.getServerSnapshot].map((read) => {
        let from: Snapshot | undefined;
        let value: T;
        return () => {
          const snapshot = read();
          if (snapshot !== from) {
            value = select((from = snapshot));
            if (same(last.current, value)) value = last.current as T;
            else last.current = value;
          }
          return value;
        };
      }),
    [store, select],
  );
  return useSyncExternalStore(store.subscribe, get!, getServer!);
}

type Fields = Record<string, unknown>;

function same(a: unknown, b: unknown): boolean {
  if (!a || !b || typeof a !== 'object' || typeof b !== 'object') return Object.is(a, b);
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((k) => k in b && Object.is((a as Fields)[k], (b as Fields)[k]))
  );
}
