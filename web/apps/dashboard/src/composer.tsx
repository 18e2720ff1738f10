import type { AgentStore } from '@chatsdk/core';
import { useId, useRef, useState, type ReactElement } from 'react';

/** Where a message is written. What was written stays until the agent took it. */
export function Composer({ store, channel }: { readonly store: AgentStore; readonly channel: string }): ReactElement {
  const [text, setText] = useState('');
  const [error, setError] = useState('');
  // The same id until it is taken: an answer that was lost makes no second message.
  const id = useRef('');
  const label = useId();
  const file = useRef<HTMLInputElement>(null);

  const send = async (event: React.FormEvent): Promise<void> => {
    event.preventDefault();
    if (!text.trim()) return;
    id.current ||= crypto.randomUUID();
    try {
      await store.actions.send(channel, text, id.current);
      id.current = '';
      setText((now) => (now === text ? '' : now));
      setError('');
    } catch (e) {
      setError((e as Error).message);
    }
  };
  const upload = async (): Promise<void> => {
    const chosen = file.current?.files?.[0];
    if (!chosen) return;
    try {
      await store.actions.upload(channel, chosen);
      file.current!.value = '';
      setError('');
    } catch (e) {
      setError((e as Error).message);
    }
  };
  return (
    <form className="composer" onSubmit={(e) => void send(e)}>
      <label htmlFor={label}>Message</label>
      <input
        id={label}
        value={text}
        autoComplete="off"
        onChange={(e) => {
          id.current = ''; // another text is another message
          setText(e.target.value);
        }}
      />
      <button type="submit">Send</button>
      <label className="file">
        File <input ref={file} type="file" onChange={() => void upload()} />
      </label>
      {error && <p className="error">{error}</p>}
    </form>
  );
}
