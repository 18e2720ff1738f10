import { LEVELS, statusOf, type LevelRow, type Snapshot, type Status } from '@chatsdk/core';
import type { Labels } from './labels.js';

/** What an indicator shows of a snapshot. */
export interface View {
  readonly status: Status;
  /** Bars of three. */
  readonly bars: number;
  /** In ms, where it says something of the path. */
  readonly latency: number | null;
  /** Somebody sees to it that an outage ends. */
  readonly trying: boolean;
}

export function viewOf(s: Snapshot): View {
  const status = statusOf(s);
  const row = (name: string): LevelRow | undefined => (LEVELS as Record<string, LevelRow>)[name];
  return {
    status,
    bars: row(status === 'reconnecting' ? s.quality.level : status)?.bars ?? 0,
    latency: row(status)?.belowMs ? latencyOf(s) : null,
    // Without an agent there is a monitor, which looks until it finds a way.
    trying: s.agent === 'none' || s.connection.state !== 'disconnected',
  };
}

/** The detail beside a view's label, or ''. */
export function detailOf({ trying, status }: View, labels: Labels): string {
  return (trying && labels.status[status].detail) || '';
}

/**
 * The round-trip time in whole ms, in steps of 5 from 10 on, so that noise renders nothing again. Rounded down, as
 * levels end below their edge: a 50 beside "Excellent" would be wrong.
 */
export function latencyOf({ quality: { rttMs } }: Snapshot): number | null {
  return rttMs === null ? null : rttMs < 10 ? Math.max(1, Math.floor(rttMs)) : Math.floor(rttMs / 5) * 5;
}
