import { BaseStore, type StoreOptions } from '@chatsdk/core';
import { type Effort } from './effort.js';
import { type Environment } from './environment.js';
import { type Cause } from './estimator.js';
export interface MonitorOptions extends StoreOptions {
    /**
     * What is asked for a sign of life: it answers 204, and gives the query's `c` back in the header `Chatsdk-Challenge`.
     * On another origin it also has to allow this one, and to expose that header. Defaults to `/api/health/ping`.
     */
    readonly pingUrl?: string;
    /** The effort while the page is seen. Defaults to a probe after half a second of silence. */
    readonly effort?: Effort;
    /** The effort while nobody sees it, or `pause` for no probes at all. Defaults to a probe after 10 s. */
    readonly hidden?: Effort | 'pause';
    /** How long a probe waits for its answer; twice as long for a new connection. Defaults to 3000. */
    readonly timeoutMs?: number;
    /** Replaces parts of the page: its clocks, `fetch`, timers and events. */
    readonly environment?: Partial<Environment>;
}
/** What the application saw by itself of its server. */
export interface Observation {
    /** The server answered. */
    readonly ok: boolean;
    /** From the request to the first byte of its answer, on a connection that was open. */
    readonly rttMs?: number;
    /** The server's own time in that, as by `Server-Timing`. */
    readonly serverMs?: number;
    /** Beside a transfer, in whose queue it waited. */
    readonly loaded?: boolean;
    /** How it failed, if that is known. If not, the monitor finds out. */
    readonly cause?: Cause;
}
/**
 * The store of a page without an agent: it measures the path from this browser to the server, by probes, by what the
 * application tells it, and with the page's events for hints. Its `quality` is as an agent's; nothing else is known.
 * Make one for the page: it works while somebody is subscribed.
 */
export declare class BrowserMonitor extends BaseStore {
    #private;
    constructor(options?: MonitorOptions);
    /** Asks the server at once. */
    readonly retryNow: () => void;
    /**
     * Tells what the application saw, which saves probes. Returns whether it was of use: not while nobody is subscribed,
     * and not what can't be.
     */
    readonly observe: ({ ok, rttMs, serverMs, loaded, cause }: Observation) => boolean;
    protected work(signal: AbortSignal): void;
}
