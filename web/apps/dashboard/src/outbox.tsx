import type { Message, OutboxEntry } from '@chatsdk/core';
import { useState, type ReactElement } from 'react';

const WORDS: Readonly<Record<string, string>> = {
  queued: 'waits',
  sending: 'is being sent',
  sent: 'sent',
  parked: 'not sent',
  cancelled: 'cancelled',
  expired: 'too old, not sent',
};

/** What an entry waits for. What isn't named here is shown as it is: a refusal's code. */
const REASONS: Readonly<Record<string, string>> = {
  network: 'for the network',
  earlier: 'for the one before',
  dependency: 'for its file',
  rate: 'as the server asked',
  auth: 'for the sign-in',
  paused: 'until it may go on',
  disk: 'for room on the disk',
};

/** stateOf says in words how an entry stands: "waits for the network", "not sent: refused". */
export function stateOf({ state, reason }: Pick<OutboxEntry, 'state' | 'reason'>): string {
  const word = WORDS[state] ?? state;
  if (!reason) return word;
  return state === 'queued' && REASONS[reason] ? `${word} ${REASONS[reason]}` : `${word}: ${reason}`;
}

/** waitingOf returns what the outbox holds for a channel and the channel doesn't show yet, in the order of sending. */
export function waitingOf(entries: readonly OutboxEntry[], channel: string, shown: readonly Message[]): readonly OutboxEntry[] {
  const ids = new Set(shown.map((m) => m.id));
  return entries.filter((e) => e.channel === channel && !ids.has(e.id) && e.state !== 'cancelled');
}

type Act = (id: string) => Promise<unknown>;

interface Props {
  readonly user: string;
  readonly waiting: readonly OutboxEntry[];
  readonly cancel: Act;
  readonly retry: Act;
}

/** One's own messages on their way. */
export function Outbox({ user, waiting, cancel, retry }: Props): ReactElement | null {
  if (!waiting.length) return null;
  return (
    <ul className="outbox" aria-label="On the way">
      {waiting.map((e) => (
        <Entry key={e.id} user={user} entry={e} cancel={cancel} retry={retry} />
      ))}
    </ul>
  );
}

interface EntryProps extends Omit<Props, 'waiting'> {
  readonly entry: OutboxEntry;
}

function Entry({ user, entry, cancel, retry }: EntryProps): ReactElement {
  const [error, setError] = useState('');
  const { id, state, text } = entry;
  const ask = (act: Act) => () => {
    setError('');
    act(id).catch((e: Error) => setError(e.message));
  };
  return (
    <li data-state={state} data-mine>
      <b>{user}</b> <span className="text">{text}</span> <em className="meta">{stateOf(entry)}</em>
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
