import type { ReactElement } from 'react';
import { Told } from '../live.js';
import { Ask } from './button.js';
import type { Scenario } from './state.js';
import type { DemoStore } from './store.js';
import { useDemo } from './use.js';
import { Verdict, wordOf } from './verdict.js';

/** The scenarios, and how the one that plays gets on. */
export function Scenarios({ demo }: { readonly demo: DemoStore }): ReactElement | null {
  const { state } = useDemo(demo);
  if (!state) return null;
  const { scenarios, play } = state;
  const first = scenarios.filter((s) => !s.of);
  const siblings = scenarios.filter((s) => s.of);
  const running = play?.state === 'running';
  return (
    <section className="scenarios" aria-labelledby="scenarios">
      <div className="head">
        <h2 id="scenarios">Scenarios</h2>
        <p className="soft">Each plays in a world of its own, beside the two clients above, and ends with a verdict.</p>
        {running && (
          <Ask demo={demo} path="/v1/stop" does="scenario stopped" kind="main">
            Stop
          </Ask>
        )}
      </div>
      {/* Only how it stands, and not what it counts. */}
      <Told>{play && `${play.name}: ${wordOf(play)}`}</Told>
      <div className="stage" data-play={Boolean(play)}>
        <div>
          <List demo={demo} scenarios={first} running={running} />
          {siblings.length > 0 && (
            <details>
              <summary>{siblings.length} more like them</summary>
              <List demo={demo} scenarios={siblings} running={running} />
            </details>
          )}
        </div>
        {play && <Verdict play={play} />}
      </div>
    </section>
  );
}

interface ListProps {
  readonly demo: DemoStore;
  readonly scenarios: readonly Scenario[];
  readonly running: boolean;
}

function List({ demo, scenarios, running }: ListProps): ReactElement {
  return (
    <ul className="cards">
      {scenarios.map((s) => (
        <li key={s.id}>
          <Ask demo={demo} path="/v1/play" body={{ scenario: s.id }} does={`scenario ${s.name} begun`} idle={running}>
            <b>
              {s.of ? '' : `${s.id} · `}
              {s.name}
            </b>
            <span className="soft">{s.why}</span>
          </Ask>
        </li>
      ))}
    </ul>
  );
}
