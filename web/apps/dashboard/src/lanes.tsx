import type { ReactElement } from 'react';
import { LANES, WINDOW_MS, type Lane, type Span } from './timeline.js';

type Tone = 'good' | 'fair' | 'poor' | 'bad' | 'none';

/** How a state looks. Each tone has a pattern of its own, and the word stands in it where there is room. */
const TONES: Readonly<Record<string, Tone>> = {
  excellent: 'good',
  good: 'good',
  fair: 'fair',
  poor: 'poor',
  captive: 'poor',
  'server-down': 'poor',
  offline: 'bad',
  connected: 'good',
  connecting: 'fair',
  reconnecting: 'fair',
  suspended: 'bad',
  failed: 'bad',
  closed: 'good',
  'half-open': 'fair',
  open: 'bad',
  fresh: 'good',
  stale: 'fair',
  degraded: 'poor',
  expired: 'poor',
  'reauth-required': 'bad',
  'config-error': 'bad',
};

export const toneOf = (word: string): Tone => TONES[word] ?? 'none';

interface Props {
  readonly lanes: Readonly<Record<Lane, readonly Span[]>>;
  /** The right edge, in ms since the epoch. */
  readonly end: number;
}

/** A strip for each lane, one piece for each state. */
export function Lanes({ lanes, end }: Props): ReactElement {
  return (
    <div className="lanes">
      {LANES.map((lane) => (
        <div className="lane" key={lane}>
          <span>{lane}</span>
          <div className="strip">
            {lanes[lane].map((span) => (
              <Piece key={span.from} span={span} end={end} />
            ))}
          </div>
        </div>
      ))}
    </div>
  );
}

function Piece({ span, end }: { readonly span: Span; readonly end: number }): ReactElement | null {
  const begin = end - WINDOW_MS;
  const share = (at: number): number => Math.min(1, Math.max(0, (at - begin) / WINDOW_MS)) * 100;
  const [left, right] = [share(span.from), share(span.to ?? end)];
  if (right <= left) return null;
  return (
    <span className="piece" data-tone={toneOf(span.word)} style={{ left: `${left}%`, width: `${right - left}%` }}>
      <span>{span.word || 'not known'}</span>
    </span>
  );
}
