import type { Effort } from './effort.js';
import type { Environment, Hint } from './environment.js';
import type { Estimator, Report, Sample } from './estimator.js';
export interface RunOptions {
    readonly url: string;
    readonly timeoutMs: number;
    readonly visible: Effort;
    /** Null makes no probes. */
    readonly hidden: Effort | null;
}
type Publish = (report: Report, now: number) => void;
/** What a monitor does between its start and its stop: it owns the timers and the probes. */
export declare class Run {
    #private;
    constructor(env: Environment, e: Estimator, options: RunOptions, signal: AbortSignal, publish: Publish);
    /** Takes what the page is told. It proves nothing, and is a reason to find out. */
    hint(event?: Hint): void;
    /** Takes a sample of the application's. */
    tell(sample: Omit<Sample, 'at'>): boolean;
}
export {};
