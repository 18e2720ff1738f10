export declare const MS = 1000000;
export declare const SECOND = 1000000000;
export declare const MINUTE: number;
/** A time before all others. */
export declare const NEVER: number;
/** What a retransmission timeout adds to the round trip, on Linux. */
export declare const RTO_MIN: number;
/** 1 - erf(x), to 15 digits after the point; JavaScript has none of its own. */
export declare function erfc(x: number): number;
