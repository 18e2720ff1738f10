import { useMemo, useRef, useSyncExternalStore, type ReactElement } from 'react';
import type { Store } from '@chatsdk/core';
import { Chart } from './chart.js';
import { Lanes } from './lanes.js';
import { summaryOf } from './summary.js';
import { Timeline } from './timeline.js';

/** Where motion isn't wanted the picture moves on only so often, in ms; what is new in it still appears at once. */
const STEP_MS = 10_000;
/** How often its words are made anew: a name that changes all the time is hard to listen to. */
const WORDS_MS = 5000;

/** The last two minutes of a client, as a picture with words for those who don't see it. */
export function TimelineFigure({ store, name }: { readonly store: Store; readonly name: string }): ReactElement {
  const timeline = useMemo(() => new Timeline(store), [store]);
  const view = useSyncExternalStore(timeline.subscribe, timeline.getSnapshot);
  const legend = useRef<HTMLDivElement>(null);
  const end = calm() ? Math.ceil(view.at / STEP_MS) * STEP_MS : view.at;
  const spoken = Math.floor(view.at / WORDS_MS);
  const words = useMemo(() => summaryOf(view, name), [spoken, name]);
  const rtt = view.rtt.at(-1);
  return (
    <div className="timeline" role="img" aria-label={words}>
      <div className="legend" ref={legend}>
        <span>
          <svg className="key" data-series="rtt" viewBox="0 0 22 8">
            <path d="M0 4h22" />
          </svg>
          round trip <b>{rtt == null ? '–' : `${Math.round(rtt)} ms`}</b>
        </span>
        <span>
          <svg className="key" data-series="queued" viewBox="0 0 22 8">
            <path d="M0 4h22" />
          </svg>
          messages waiting <b>{view.queued.at(-1) ?? '–'}</b>
        </span>
      </div>
      <Chart view={view} end={end} colours={legend} />
      <Lanes lanes={view.lanes} end={end} />
    </div>
  );
}

function calm(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}
