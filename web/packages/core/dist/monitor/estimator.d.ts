import type { Level, Reach } from '../types.js';
import { type Effort } from './effort.js';
export type Source = 'ping' | 'call';
/** How an attempt failed: no answer in time, no network, somebody refused, the server failed, somebody else answered. */
export type Cause = 'timeout' | 'unreachable' | 'refused' | 'server-error' | 'portal';
export type Kind = 'round-trip' | 'begin' | 'end' | 'inbound' | 'failure' | 'link' | 'late';
/** One thing that happened, with times in ns. Which fields count is told by kind. */
export interface Sample {
    readonly kind: Kind;
    readonly at: number;
    /** Names an exchange from its begin to its end; 0 for none. */
    readonly id?: number;
    /** Defaults to a ping. */
    readonly source?: Source;
    readonly rtt?: number;
    /** The server's own time in rtt. */
    readonly server?: number;
    /** Beside a transfer. */
    readonly loaded?: boolean;
    /** On a new connection: no round trip, but a sign of life. */
    readonly fresh?: boolean;
    readonly cause?: Cause;
    readonly link?: 'up' | 'down' | 'changed';
    /** How long nobody looked. */
    readonly took?: number;
}
/** Why a sample was refused; empty if it wasn't. */
export type Refusal = '' | 'kind' | 'clock' | 'rtt' | 'full' | 'id';
export interface Probe {
    readonly why: 'start' | 'spacing' | 'confirm' | 'return';
    /** A new connection would be better: the old one may be dead. */
    readonly fresh: boolean;
}
/** Times in ns, shares from 0 to 1; null where nothing is known. */
export interface Report {
    readonly level: Level;
    readonly reach: Reach;
    readonly reason: string;
    readonly since: number | null;
    readonly rtt: number | null;
    readonly variation: number | null;
    readonly tail: number | null;
    readonly loaded: number | null;
    readonly loss: {
        readonly share: number;
        readonly low: number;
        readonly high: number;
    };
    readonly answers: number;
    readonly confidence: number;
    readonly age: number;
}
/** Turns samples into a report. It has no clock and no timer. */
export declare class Estimator {
    #private;
    constructor(effort?: Effort);
    /** Changes the effort; what is known stays. */
    setEffort(effort: Effort): void;
    /** Says whether wantProbe may ask for probes. */
    setProbing(on: boolean): void;
    /** Takes a sample. What makes no sense is refused and changes nothing. */
    observe(s: Sample): Refusal;
    /** Says what is known at a time. */
    report(at: number): Report;
    /** The probe that should be made now, if one should. It says so until the probe's begin is told. */
    wantProbe(at: number): Probe | undefined;
    /** When to come back if nothing happens until then. It is after the given time. */
    next(at: number): number;
}
