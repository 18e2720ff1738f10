import type { Upload } from '@chatsdk/core';
import { useSnapshot } from '@chatsdk/react';
import type { ReactElement } from 'react';

/** Files of a channel that are on their way. */
export function Uploads({ channel }: { readonly channel: string }): ReactElement | null {
  const uploads = useSnapshot((s) => s.uploads.filter((u) => u.channel === channel && u.state !== 'done'));
  if (!uploads.length) return null;
  return (
    <ul className="uploads" aria-label="Files on the way">
      {uploads.map((u) => (
        <li key={u.id}>
          <span className="text">{u.name}</span>{' '}
          <progress value={u.sent} max={Math.max(u.total, 1)} aria-label={u.name} /> <span>{progressOf(u)}</span>
        </li>
      ))}
    </ul>
  );
}

/** progressOf says how far an upload is: "40%, resumed from 25%, 1.5 MB/s". */
export function progressOf({ sent, total, resumedFrom, state, error, bps }: Upload): string {
  const percent = (n: number): string => `${total > 0 ? Math.floor((n / total) * 100) : 0}%`;
  const parts = [percent(sent)];
  if (resumedFrom > 0) parts.push(`resumed from ${percent(resumedFrom)}`);
  if (state === 'sending' && bps !== null) parts.push(`${(bps / 8e6).toFixed(1)} MB/s`);
  if (state !== 'sending') parts.push(error ? `${state}: ${error}` : state);
  return parts.join(', ');
}
