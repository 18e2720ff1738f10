import type { Store } from '@chatsdk/core';
import { useEffect, useRef, useState, type ReactElement } from 'react';
import { useLabels, useSnapshot, useStore } from './store.js';
import { detailOf, viewOf } from './view.js';

/** Who would announce a store's changes; the first does: a page may have several roots, and one voice. */
const voices: { readonly store: Store }[] = [];

/**
 * What there is to announce of the connection: what was so for `afterMs`, empty before anything was. For a page with a live
 * region of its own; every other page leaves it to the provider.
 */
export function useAnnouncement(afterMs = 2000): string {
  const store = useStore();
  const labels = useLabels();
  const view = useSnapshot(viewOf);
  const { status } = view;
  const { label, next } = labels.status[status];
  const text = `${labels.connection}: ${label} ${detailOf(view, labels)}`;
  const [said, say] = useState('');
  const heard = useRef('');
  const me = useRef<object>(undefined);
  useEffect(() => {
    const voice = (me.current = { store });
    voices.push(voice);
    return () => void voices.splice(voices.indexOf(voice), 1);
  }, [store]);
  useEffect(() => {
    // Nothing is known yet, or for the moment: that is no news.
    if (status === 'unknown') return;
    const timer = setTimeout(() => {
      const before = heard.current;
      heard.current = text;
      // That all is well from the beginning is none either.
      if (before === text || (!before && !next)) return;
      if (voices.find((v) => v.store === store) === me.current) say(text);
    }, afterMs);
    return () => clearTimeout(timer);
  }, [store, status, next, text, afterMs]);
  return said;
}

/** The page's live region (WCAG 4.1.3). It is there, empty, before it has something to say: else the first is missed. */
export function Announcer({ afterMs }: { readonly afterMs: number | undefined }): ReactElement {
  return (
    <div role="status" className="chatsdk-hidden">
      {useAnnouncement(afterMs)}
    </div>
  );
}
