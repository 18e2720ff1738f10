import type { Level } from './types.js';

/** What belongs to a level, in one place: its word, its bars, and where it ends. */
export interface LevelRow {
  readonly label: string;
  /** Bars of three. */
  readonly bars: number;
  /** The round-trip time is below this, in ms. */
  readonly belowMs: number;
  /** Loss is below this, in per cent; `excellent` is without any. */
  readonly belowPct: number;
}

/** The levels, best first, with the edges of Go's package quality. */
export const LEVELS: Readonly<Record<Level, LevelRow>> = {
  excellent: { label: 'Excellent', bars: 3, belowMs: 50, belowPct: 0 },
  good: { label: 'Good', bars: 2, belowMs: 150, belowPct: 1 },
  fair: { label: 'Fair', bars: 1, belowMs: 300, belowPct: 5 },
  poor: { label: 'Poor', bars: 0, belowMs: Infinity, belowPct: Infinity },
  offline: { label: 'Offline', bars: 0, belowMs: 0, belowPct: 0 },
  unknown: { label: 'Checking…', bars: 0, belowMs: 0, belowPct: 0 },
};
