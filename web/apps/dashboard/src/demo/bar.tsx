import type { ReactElement } from 'react';
import { Told } from '../live.js';
import { Ask } from './button.js';
import type { DemoSnapshot, DemoStore, Standing } from './store.js';
import { useBusy, useDemo } from './use.js';

/** What to do about it, for each way in which the page doesn't get on with the demo. */
const WORDS: Readonly<Record<Exclude<Standing, 'connected'>, string>> = {
  connecting: 'Asking the demo…',
  lost: 'The demo isn’t there. Is chatsdk demo still running? It is tried again by itself.',
  refused: 'The demo doesn’t let this page in. Open the address that chatsdk demo printed.',
  incompatible: 'The demo is of another version than this page. Load the page anew, from the address that chatsdk demo printed.',
  malformed: 'The demo’s answer can’t be understood. What is shown is what it told last.',
};

/** The server, what acts on everybody, and how the page gets on with the demo. */
export function DemoBar({ demo }: { readonly demo: DemoStore }): ReactElement {
  const snapshot = useDemo(demo);
  const { state } = snapshot;
  return (
    <div className="bar">
      {state && (
        <div className="server" role="group" aria-label="Server">
          <p>
            <span className="lamp" data-tone={state.server.running ? 'good' : 'bad'} />
            Server <b>{state.server.running ? 'running' : 'stopped'}</b>, <b>{state.server.stored}</b>{' '}
            {state.server.stored === 1 ? 'message' : 'messages'} stored
          </p>
          <Ask
            demo={demo}
            path="/v1/server"
            body={{ running: !state.server.running }}
            does={state.server.running ? 'server stopped' : 'server started'}
            hint={state.server.running ? 'Like a crash: nothing is said to anybody' : ''}
          >
            {state.server.running ? 'Stop server' : 'Start server'}
          </Ask>
          <Ask demo={demo} path="/v1/talk" body={{ on: !state.talk }} on={state.talk} does={state.talk ? 'talk off' : 'talk on'} hint="Both clients send a message each second">
            Talk
          </Ask>
          <HealAll demo={demo} />
        </div>
      )}
      <Said snapshot={snapshot} />
      <Stand demo={demo} snapshot={snapshot} />
    </div>
  );
}

function HealAll({ demo }: { readonly demo: DemoStore }): ReactElement {
  const { state } = useDemo(demo);
  const off = useBusy(demo) || !state;
  const heal = async (): Promise<void> => {
    for (const { name } of state!.clients) {
      if (!(await demo.post(`${name} healed`, `/v1/clients/${encodeURIComponent(name)}/heal`))) return;
    }
    if (state!.server.running || (await demo.post('server started', '/v1/server', { running: true }))) {
      demo.say(true, 'all healed');
    }
  };
  return (
    <button type="button" aria-disabled={off} data-kind="main" title="Every link as at the beginning, and the server running" onClick={() => !off && void heal()}>
      Heal all
    </button>
  );
}

/** What the last call came to. */
function Said({ snapshot: { said, asked } }: { readonly snapshot: DemoSnapshot }): ReactElement {
  const text = said && asked === null && `${said.ok ? 'Done' : 'Not done'}: ${said.text}`;
  return (
    <p className="said" data-ok={said?.ok}>
      {text}
      <Told>{text}</Told>
    </p>
  );
}

function Stand({ demo, snapshot }: { readonly demo: DemoStore; readonly snapshot: DemoSnapshot }): ReactElement {
  const { standing, error } = snapshot;
  const away = standing !== 'connected' && standing !== 'connecting';
  return (
    <>
      <Told>{away && WORDS[standing]}</Told>
      {standing === 'connecting' && <p className="soft">{WORDS.connecting}</p>}
      {away && <Trouble demo={demo} standing={standing} error={error} />}
    </>
  );
}

interface TroubleProps {
  readonly demo: DemoStore;
  readonly standing: keyof typeof WORDS;
  readonly error: string;
}

function Trouble({ demo, standing, error }: TroubleProps): ReactElement {
  return (
    <div className="stand" data-standing={standing}>
      <p>
        <b>{WORDS[standing]}</b> <span className="soft">{error}</span>
      </p>
      <button type="button" onClick={demo.retryNow}>
        Try now
      </button>
    </div>
  );
}
