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
export declare const LEVELS: Readonly<Record<Level, LevelRow>>;
