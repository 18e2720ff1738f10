export declare const RTT_AGE: number;
/** The last round trips. */
export declare class RTTWindow {
    #private;
    get n(): number;
    get oldestAt(): number;
    get newestAt(): number;
    /** Takes a round trip that ended at a time, and says whether it is a sample of its own, and whether it looks late. */
    add(at: number, rtt: number): {
        own: boolean;
        late: boolean;
    };
    /** Forgets what is older than an age. */
    expire(now: number, age: number): void;
    clear(): void;
    /** Looks for a change point, and forgets what lies before it. */
    cut(): boolean;
    /** The weighted median. */
    usual(): number;
    /** A standard deviation. */
    variation(): number;
    /** What one sample in 20 exceeds. */
    tail(): number;
    /** The probability that the path's usual time is less. */
    below(time: number): number;
}
