import { ChatSDKProvider, ConnectionBanner, NetworkIndicator, useAnnouncement, useConnection, useSnapshot } from '@chatsdk/react';
import { useMemo, useState, type ReactElement } from 'react';
import { Composer } from './composer.js';
import { TimelineFigure } from './figure.js';
import { Told } from './live.js';
import { MessageLog } from './log.js';
import { Messages } from './messages.js';
import type { PaneOf } from './panes.js';
import { Uploads } from './uploads.js';

/** One client: its connection, one channel of it, what is on its way, and its last two minutes. */
export function Pane({ name, store }: PaneOf): ReactElement {
  // With more than one client on the page it has to be heard whose connection it is.
  const labels = useMemo(() => (name ? { connection: `Connection of ${name}` } : {}), [name]);
  return (
    <ChatSDKProvider store={store} labels={labels} announce={false}>
      <Client name={name} store={store} />
      <Announced />
    </ChatSDKProvider>
  );
}

/** A page has one voice, however many connections. */
function Announced(): ReactElement {
  return <Told>{useAnnouncement()}</Told>;
}

function Client({ name, store }: Pick<PaneOf, 'name' | 'store'>): ReactElement {
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
      <div className="facts">
        <Facts />
        {channels.length > 1 && (
          <label className="channel">
            Channel{' '}
            <select value={channel} onChange={(e) => choose(e.target.value)}>
              {channels.map((c) => (
                <option key={c}>{c}</option>
              ))}
            </select>
          </label>
        )}
      </div>
      <ConnectionBanner />
      <Messages log={log} user={user} />
      <Uploads channel={channel} />
      <Composer store={store} channel={channel} />
      <TimelineFigure store={store} name={user} />
    </section>
  );
}

function Facts(): ReactElement {
  const { state, synced, circuit, attempt, session } = useConnection();
  const more = state === 'connected' ? (synced ? ', caught up' : ', catching up') : attempt > 0 ? `, try ${attempt}` : '';
  return (
    <p>
      {state}
      {more} · circuit {circuit} · session {session}
    </p>
  );
}
