/** The probability of each rate of loss, given all that was counted and that the rate changes at times. */
export declare class LossFilter {
    #private;
    /** Takes n answers, of which k were late. */
    add(now: number, n: number, k: number): void;
    /** The probability of each class at a time. */
    posterior(now: number): number[];
    clear(): void;
}
/** Counts answers, and late ones, over the last minutes. */
export declare class LossWindow {
    #private;
    n: number;
    k: number;
    add(now: number, n: number, k: number): void;
    expire(now: number): void;
    clear(): void;
    /** Takes back losses since a time: they were something else. */
    retract(since: number): void;
    /** The share of segments lost, and where it lies with 95% probability; of an answer, two may have been. */
    report(): {
        share: number;
        low: number;
        high: number;
    };
}
/** The class by its probabilities, with patience for a better one. */
export declare function nextClass(now: number, post: readonly number[]): number;
