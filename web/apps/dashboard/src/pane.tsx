import { ChatSDKProvider, ConnectionBanner, NetworkIndicator, useConnection, useSnapshot } from '@chatsdk/react';
import { useMemo, useState, type ReactElement } from 'react';
import { Composer } from './composer.js';
import { MessageLog } from './log.js';
import { Messages } from './messages.js';
import { Outbox } from './outbox.js';
import type { PaneOf } from './panes.js';
import { Uploads } from './uploads.js';

/** One client: its connection, one channel of it, and what is on its way. */
export function Pane({ name, store }: PaneOf): ReactElement {
  // With more than one client on the page it has to be heard whose connection it is.
  const labels = useMemo(() => (name ? { connection: `Connection of ${name}` } : {}), [name]);
  return (
    <ChatSDKProvider store={store} labels={labels}>
      <Client name={name} store={store} />
    </ChatSDKProvider>
  );
}

function Client({ name, store }: PaneOf): ReactElement {
  const user = useSnapshot((s) => s.session.user) || name || 'client';
  const channels = useSnapshot((s) => Object.keys(s.channels).sort());
  const [chosen, choose] = useState('');
  const channel = channels.includes(chosen) ? chosen : (channels[0] ?? 'general');
  const log = useMemo(() => new MessageLog(store, channel), [store, channel]);
  return (
    <section className="pane" aria-label={user}>
      <div className="head">
        <h2>{user}</h2>
        <NetworkIndicator />
      </div>
      <Facts />
      <ConnectionBanner />
      <label className="channel">
        Channel{' '}
        <select value={channel} onChange={(e) => choose(e.target.value)}>
          {(channels.length ? channels : [channel]).map((c) => (
            <option key={c}>{c}</option>
          ))}
        </select>
      </label>
      <Messages log={log} user={user} />
      <Outbox channel={channel} log={log} />
      <Uploads channel={channel} />
      <Composer store={store} channel={channel} />
    </section>
  );
}

function Facts(): ReactElement {
  const { state, synced, circuit, attempt, session } = useConnection();
  const caughtUp = state === 'connected' ? (synced ? ', caught up' : ', catching up') : '';
  return (
    <p className="facts">
      {state}
      {caughtUp}
      {attempt > 0 && `, try ${attempt}`} · circuit {circuit} · session {session}
    </p>
  );
}
