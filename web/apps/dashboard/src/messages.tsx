import { memo, useSyncExternalStore, type ReactElement } from 'react';
import type { Message } from '@chatsdk/core';
import { useOutbox } from '@chatsdk/react';
import { clock } from './clock.js';
import type { MessageLog } from './log.js';
import { useNewestInSight } from './newest.js';
import { Outbox, waitingOf } from './outbox.js';

/**
 * The messages of a channel, and below them at once those of one's own that aren't there yet, each with its state. The
 * newest is in sight unless somebody scrolled up to read.
 */
export function Messages({ log, user }: { readonly log: MessageLog; readonly user: string }): ReactElement {
  const messages = useSyncExternalStore(log.subscribe, log.getSnapshot);
  const outbox = useOutbox();
  const waiting = waitingOf(outbox.entries, log.channel, messages);
  const newest = useNewestInSight<HTMLDivElement>([messages, waiting.length]);
  return (
    <div className="log" {...newest} tabIndex={0} role="group" aria-label={`Messages in ${log.channel}`}>
      {messages.length + waiting.length === 0 && <p className="soft">No messages yet.</p>}
      <Arrived messages={messages} user={user} />
      <Outbox user={user} waiting={waiting} cancel={outbox.cancel} retry={outbox.retry} />
    </div>
  );
}

interface ArrivedProps {
  readonly messages: readonly Message[];
  readonly user: string;
}

/** Rendered when a message arrives, and not with each change of the outbox. */
const Arrived = memo(function Arrived({ messages, user }: ArrivedProps): ReactElement {
  return (
    <ol className="messages">
      {messages.map((m) => (
        <li key={m.seq} data-mine={m.user === user || undefined}>
          <b>{m.user}</b> <span className="text">{m.text}</span>{' '}
          {m.attachments.length > 0 && (
            <span className="attached">{m.attachments.length === 1 ? '1 file' : `${m.attachments.length} files`}</span>
          )}{' '}
          <span className="meta">
            <time dateTime={m.time}>{clock(Date.parse(m.time))}</time>
            {m.user === user && ' · sent'}
          </span>
        </li>
      ))}
    </ol>
  );
});
