import type { Actions } from './actions.js';
import type { Snapshot } from './types.js';
/** What user interfaces read. Its functions may be handed around without their object. */
export interface Store {
    /** Calls back after each change, until the function that it returns is called. The store works while somebody is subscribed. */
    readonly subscribe: (listener: () => void) => () => void;
    /** The present snapshot: frozen, and the same object until something changes. */
    readonly getSnapshot: () => Snapshot;
    /** What a server renders: always the same, and of nothing that a browser knows. */
    readonly getServerSnapshot: () => Snapshot;
    /** What can be asked for, if this store can do anything. */
    readonly actions?: Actions;
    /** Tries again at once what waits for its next try. */
    readonly retryNow?: () => void;
}
export interface StoreOptions {
    /**
     * How long the store works on when the last subscriber is gone, in ms, so that a change of page (or React's
     * StrictMode) doesn't drop what it holds. Defaults to 2000.
     */
    readonly lingerMs?: number;
}
/** What the kinds of stores share: the snapshot, who is told of it, and when to work. */
export declare abstract class BaseStore implements Store {
    #private;
    constructor(first: Snapshot, options?: StoreOptions);
    readonly subscribe: (listener: () => void) => (() => void);
    readonly getSnapshot: () => Snapshot;
    readonly getServerSnapshot: () => Snapshot;
    /** Begins to work, if it doesn't yet. Subscribers do this; call it to have data before there is one. */
    start(): void;
    /** Stops at once, whoever is subscribed. The snapshot stays. The next subscriber starts it again. */
    stop(): void;
    /** Does what the store is for until the signal is aborted. */
    protected abstract work(signal: AbortSignal): void;
    /** Takes checked parts, and tells everybody if something changed. */
    protected update(patch: Partial<Snapshot>): void;
}
/** attempt calls a listener; its error is its own, and stops nobody else. */
export declare function attempt(call: () => void): void;
/** What a MemoryStore takes: whole facts of the agent, and any fields of the other parts. */
export type SnapshotPatch = {
    readonly [K in keyof Snapshot]?: Snapshot[K] extends string | readonly unknown[] ? Snapshot[K] : Partial<Snapshot[K]>;
};
/** A store that holds what it is told: for tests, galleries, and data that comes from elsewhere. */
export declare class MemoryStore extends BaseStore {
    constructor(patch?: SnapshotPatch);
    /** Takes the parts that are named, whole: fields of theirs that are left out get their first value. */
    readonly set: ({ agent, agentInfo, ...parts }: SnapshotPatch) => void;
    protected work(): void;
}
