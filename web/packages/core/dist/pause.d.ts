/** How long to wait between tries, in ms. */
export interface Waits {
    /** Waits double from the first to the last. */
    readonly firstMs: number;
    readonly lastMs: number;
    /** Where nothing passes by itself soon. */
    readonly slowMs: number;
}
/** The wait after failures, of which there were so many before the last; up to a half less, so that many don't ask at once. */
export declare function waitAfter({ firstMs, lastMs, slowMs }: Waits, slow: boolean, before: number, random: () => number): number;
/** A pause that somebody can end. There is one at a time. */
export declare class Pause {
    /** Ends the one under way; undefined while there is none. */
    wake: (() => void) | undefined;
    /** Resolves after so long, at the signal, or when it is woken. */
    of(ms: number, signal: AbortSignal): Promise<void>;
}
