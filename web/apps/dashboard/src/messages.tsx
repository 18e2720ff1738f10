import { useLayoutEffect, useRef, useSyncExternalStore, type ReactElement } from 'react';
import type { MessageLog } from './log.js';

/** The messages of a channel, the newest in sight unless somebody scrolled up to read. */
export function Messages({ log, user }: { readonly log: MessageLog; readonly user: string }): ReactElement {
  const messages = useSyncExternalStore(log.subscribe, log.getSnapshot);
  const list = useRef<HTMLOListElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (atEnd.current) list.current!.scrollTop = list.current!.scrollHeight;
  }, [messages]);
  const look = (e: React.UIEvent<HTMLElement>): void => {
    const { scrollTop, scrollHeight, clientHeight } = e.currentTarget;
    atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
  };
  return (
    <ol className="messages" ref={list} onScroll={look} tabIndex={0} aria-label={`Messages in ${log.channel}`}>
      {messages.map((m) => (
        <li key={m.seq} data-mine={m.user === user || undefined}>
          <b>{m.user}</b> <span className="text">{m.text}</span> <time dateTime={m.time}>{clock(m.time)}</time>
          {m.attachments.length > 0 && <span className="attached">{m.attachments.length === 1 ? '1 file' : `${m.attachments.length} files`}</span>}
        </li>
      ))}
    </ol>
  );
}

function clock(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? '' : date.toLocaleTimeString();
}
