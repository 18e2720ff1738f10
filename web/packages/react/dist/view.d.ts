import { type Snapshot, type Status } from '@chatsdk/core';
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
export declare function viewOf(s: Snapshot): View;
/** The detail beside a view's label, or ''. */
export declare function detailOf({ trying, status }: View, labels: Labels): string;
/**
 * The round-trip time in whole ms, in steps of 5 from 10 on, so that noise renders nothing again. Rounded down, as
 * levels end below their edge: a 50 beside "Excellent" would be wrong.
 */
export declare function latencyOf({ quality: { rttMs } }: Snapshot): number | null;
