import type { OutboxEntry } from '@chatsdk/core';
import { useOutbox } from '@chatsdk/react';
import { useState, useSyncExternalStore, type ReactElement } from 'react';
import type { MessageLog } from './log.js';

const WORDS: Record<string, string> = {
  queued: 'waits',
  sending: 'is being sent',
  sent: 'sent',
  parked: 'not sent',
  cancelled: 'cancelled',
  expired: 'too old, not sent',
};

/** What this channel's outbox holds and the channel doesn't show yet. */
export function Outbox({ channel, log }: { readonly channel: string; readonly log: MessageLog }): ReactElement | null {
  const { entries, cancel, retry } = useOutbox();
  const messages = useSyncExternalStore(log.subscribe, log.getSnapshot);
  const shown = new Set(messages.map((m) => m.id));
  const waiting = entries.filter((e) => e.channel === channel && !shown.has(e.id) && e.state !== 'cancelled');
  if (!waiting.length) return null;
  return (
    <ul className="outbox" aria-label="On the way">
      {waiting.map((e) => (
        <Entry key={e.id} entry={e} cancel={cancel} retry={retry} />
      ))}
    </ul>
  );
}

type Act = (id: string) => Promise<unknown>;

function Entry({ entry, cancel, retry }: { readonly entry: OutboxEntry; readonly cancel: Act; readonly retry: Act }) {
  const [error, setError] = useState('');
  const { id, state, text, reason } = entry;
  const ask = (act: Act) => () => {
    setError('');
    act(id).catch((e: Error) => setError(e.message));
  };
  return (
    <li data-state={state}>
      <span className="text">{text}</span> <em>{[WORDS[state] ?? state, reason].filter(Boolean).join(': ')}</em>
      {(state === 'queued' || state === 'parked') && (
        <button type="button" onClick={ask(cancel)} aria-label={`Cancel: ${text}`}>
          Cancel
        </button>
      )}
      {state === 'parked' && (
        <button type="button" onClick={ask(retry)} aria-label={`Send again: ${text}`}>
          Send again
        </button>
      )}
      {error && <span className="error">{error}</span>}
    </li>
  );
}
