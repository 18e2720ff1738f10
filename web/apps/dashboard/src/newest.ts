import { useLayoutEffect, useRef, type RefObject, type UIEvent } from 'react';

/** So near its end, in px, somebody reads the newest. */
const NEAR = 40;

interface Newest<E extends HTMLElement> {
  readonly ref: RefObject<E | null>;
  readonly onScroll: (e: UIEvent<E>) => void;
}

/** Keeps the end of what scrolls in sight when something of it changes, unless somebody scrolled up to read. */
export function useNewestInSight<E extends HTMLElement>(changes: readonly unknown[]): Newest<E> {
  const ref = useRef<E>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (atEnd.current) ref.current!.scrollTop = ref.current!.scrollHeight;
  }, changes);
  const onScroll = ({ currentTarget: { scrollTop, scrollHeight, clientHeight } }: UIEvent<E>): void => {
    atEnd.current = scrollHeight - scrollTop - clientHeight < NEAR;
  };
  return { ref, onScroll };
}
