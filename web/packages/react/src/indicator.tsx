import type { Status } from '@chatsdk/core';
import type { HTMLAttributes, ReactElement } from 'react';
import type { LabelOverrides } from './labels.js';
import { useLabels, useSnapshot } from './store.js';
import { detailOf, viewOf } from './view.js';

export interface NetworkIndicatorProps extends Omit<HTMLAttributes<HTMLSpanElement>, 'children'> {
  /** Texts in place of the provider's. */
  readonly labels?: LabelOverrides;
  /** Shows the round-trip time. Defaults to true. */
  readonly showLatency?: boolean;
}

/**
 * The connection in a word, a figure and three bars. Style it by its data attributes (`data-status`, `data-bars`) and the
 * custom properties of style.css. It isn't a live region: the provider announces changes, once a page.
 */
export function NetworkIndicator(props: NetworkIndicatorProps): ReactElement {
  const { labels: over, showLatency = true, className = '', ...rest } = props;
  const labels = useLabels(over);
  const view = useSnapshot(viewOf);
  const detail = detailOf(view, labels);
  return (
    <span {...rest} className={`chatsdk-indicator ${className}`} data-status={view.status} data-bars={view.bars}>
      <SignalBars status={view.status} bars={view.bars} />
      <span className="chatsdk-label">
        <span className="chatsdk-hidden">{labels.connection}: </span>
        {labels.status[view.status].label}
      </span>
      {detail && <span className="chatsdk-detail">{detail}</span>}
      {showLatency && view.latency !== null && <span className="chatsdk-latency">{labels.latency(view.latency)}</span>}
    </span>
  );
}

const CROSS = 'M21 4 27 10M27 4 21 10';
const BANG = 'M23 1V9M23 12V13';
const QUESTION = 'M21 4C21 0 27 0 27 4 27 7 24 6 24 9M24 12V13';

/** A sign beside the bars, so that no two states differ by colour alone. */
function signOf(status: Status): string | undefined {
  if (/^(agent|unknown)/.test(status)) return QUESTION;
  if (/^(offline|suspended|failed)/.test(status)) return CROSS;
  if (/^(poor|captive|server|signed)/.test(status)) return BANG;
  return undefined;
}

/** The picture alone, for an indicator of your own: bars of three, and the status' sign. Not read out. */
export function SignalBars({ status, bars }: { readonly status: Status; readonly bars: number }): ReactElement {
  const sign = signOf(status);
  const width = sign ? 29 : 20;
  return (
    <svg className="chatsdk-bars" viewBox={`-1 -1 ${width} 16`} width={width} height="16" aria-hidden="true">
      {[0, 1, 2].map((i) => (
        <rect key={i} data-on={i < bars} x={i * 6.5 + 0.5} y={9 - i * 4.5} width="4" height={4.5 + i * 4.5} rx="1" />
      ))}
      <path d={sign} />
    </svg>
  );
}
