import { useEffect, useState, type ReactElement } from 'react';
import { toneOf } from '../lanes.js';
import { useNewestInSight } from '../newest.js';
import type { Play, PlayClient } from './state.js';

const WORDS: Readonly<Record<string, string>> = {
  running: 'running',
  passed: 'passed',
  failed: 'failed',
  stopped: 'stopped before its end',
  error: 'couldn’t be played',
};

/** How a scenario stands, in words. */
export const wordOf = ({ state }: Play): string => WORDS[state] ?? state;

/** A scenario that plays, with what happened so far; then whether what it promises held. */
export function Verdict({ play }: { readonly play: Play }): ReactElement {
  const { name, state, counts, problems } = play;
  return (
    <div className="verdict" role="group" aria-label="Verdict" data-state={state}>
      <div className="head">
        <h3>
          {name}: <span className="word">{wordOf(play)}</span>
        </h3>
        <Elapsed play={play} />
      </div>
      {problems.length > 0 && (
        <ul className="problems" aria-label="What didn’t hold">
          {problems.map((p, i) => (
            <li key={i}>{p}</li>
          ))}
        </ul>
      )}
      <dl className="counts">
        {(['sent', 'stored', 'shown', 'violations'] as const).map((key) => (
          <div key={key} data-bad={(key === 'violations' && counts[key] > 0) || undefined}>
            <dt>{key}</dt>
            <dd>{counts[key]}</dd>
          </div>
        ))}
      </dl>
      {play.clients.length > 0 && <Clients clients={play.clients} />}
      {play.lines.length > 0 && <Lines lines={play.lines} />}
    </div>
  );
}

function Clients({ clients }: { readonly clients: readonly PlayClient[] }): ReactElement {
  return (
    <div className="scroll" tabIndex={0} role="group" aria-label="Clients of the scenario">
      <table>
        <thead>
          <tr>
            {['client', 'connection', 'level', 'round trip', 'sent', 'shown'].map((h) => (
              <th key={h} scope="col">
                {h}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {clients.map((c) => (
            <tr key={c.name}>
              <th scope="row">{c.name}</th>
              <td>
                <Word word={c.state} />
              </td>
              <td>
                <Word word={c.level} />
              </td>
              <td>{c.rttMs === null ? '–' : `${Math.round(c.rttMs)} ms`}</td>
              <td>{c.sent}</td>
              <td>{c.shown}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Word({ word }: { readonly word: string }): ReactElement {
  if (!word) return <>–</>;
  return (
    <>
      <span className="lamp" data-tone={toneOf(word)} />
      {word}
    </>
  );
}

/** What happened, the newest in sight unless somebody scrolled up to read. */
function Lines({ lines }: { readonly lines: readonly string[] }): ReactElement {
  return (
    <ol className="lines" {...useNewestInSight<HTMLOListElement>([lines])} tabIndex={0} aria-label="What happened">
      {lines.map((line, i) => (
        <li key={i}>{line}</li>
      ))}
    </ol>
  );
}

/** How long it has been playing, or how long it took. */
function Elapsed({ play }: { readonly play: Play }): ReactElement {
  const running = play.state === 'running';
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!running) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [running]);
  const ms = running ? Math.max(play.tookMs, now - Date.parse(play.began) || 0) : play.tookMs;
  return <span className="elapsed">{(ms / 1000).toFixed(1)} s</span>;
}
