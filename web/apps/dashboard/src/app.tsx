import type { ReactElement } from 'react';
import { DemoBar } from './demo/bar.js';
import { Faults } from './demo/faults.js';
import { Scenarios } from './demo/scenarios.js';
import type { DemoStore } from './demo/store.js';
import { useDemo } from './demo/use.js';
import { Live } from './live.js';
import { Pane } from './pane.js';
import type { Wanted } from './panes.js';

/** The page: a column for each client, and around them what the demo can do, where there is one. */
export function App({ panes, demo }: Wanted): ReactElement {
  return (
    <Live>
      <header>
        <h1>{demo ? 'chatsdk demo' : 'chatsdk'}</h1>
        {demo && <DemoBar demo={demo} />}
      </header>
      <main>
        <div className="panes">
          {panes.map((pane) => (
            <div className="column" key={pane.path}>
              <Pane {...pane} />
              {demo && <FaultsOf demo={demo} path={pane.path} />}
            </div>
          ))}
        </div>
        {demo && <Scenarios demo={demo} />}
      </main>
      <footer>
        <a href={`./gallery.html${location.hash}`}>Every state of the connection</a> · <a href="./licences.txt">Licences</a>
      </footer>
    </Live>
  );
}

/** The faults of the client that a pane shows, if the demo knows it. */
function FaultsOf({ demo, path }: { readonly demo: DemoStore; readonly path: string }): ReactElement | null {
  const client = useDemo(demo).state?.clients.find((c) => c.path === path);
  return client ? <Faults demo={demo} client={client} /> : null;
}
