import { type Actions } from './actions.js';
import { BaseStore, type StoreOptions } from './store.js';
import type { Message } from './types.js';
export interface AgentOptions extends StoreOptions {
    /** Where the agent listens, such as `http://127.0.0.1:7411`. Defaults to the page's own origin. */
    readonly url?: string;
    /** What it gave this page to be let in with: see `takeToken`. */
    readonly token?: string | null;
    /** Replaces `fetch`. */
    readonly fetch?: typeof fetch;
    /** Replaces `Math.random`, for the jitter. */
    readonly random?: () => number;
}
/**
 * The store that a local agent feeds: it reads the agent's state, then each change, and takes up the stream again
 * wherever it broke off. The state of the agent itself is told in `agent`; while it is lost, quality is unknown.
 */
export declare class AgentStore extends BaseStore {
    #private;
    readonly actions: Actions;
    constructor(options?: AgentOptions);
    /**
     * Calls back for each message that arrives from now on, until the function that it returns is called. For those
     * before, and after `agentInfo.gaps` rose, ask `actions.history`.
     */
    readonly onMessage: (listener: (message: Message) => void) => (() => void);
    /** Tries at once, if it waits for its next try. */
    readonly retryNow: () => void;
    protected work(signal: AbortSignal): void;
}
