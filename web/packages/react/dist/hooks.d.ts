import { type Actions, type AgentState, type Connection, type Level, type Outbox, type Reach, type SessionState, type Snapshot, type Status, type Upload } from '@chatsdk/core';
/** How good the path to the server is. */
export interface NetworkMetrics {
    /** The same as `level`. */
    readonly quality: Level;
    /** Round-trip time in ms, in steps of 5; null while it isn't known. */
    readonly latency: number | null;
    /** Per cent, 0 to 100; null while it isn't known. */
    readonly packetLoss: number | null;
    /** False once it is known that the server can't be reached; true before anything is known. */
    readonly isOnline: boolean;
    /** When this was told, in ms since the epoch; 0 before that. */
    readonly timestamp: number;
    readonly level: Level;
    readonly reach: Reach;
    /** Why the level is as it is, a word for logs. */
    readonly reason: string;
    /** How probable it is that level and reach are right, 0 to 1. */
    readonly confidence: number;
}
/**
 * The quality of the network. With a function, what that picks of it: `useNetworkQuality((m) => m.isOnline)` renders
 * again only when that changes.
 */
export declare function useNetworkQuality(): NetworkMetrics;
export declare function useNetworkQuality<T>(select: (metrics: NetworkMetrics) => T): T;
/** What the connection does, and what stands in its way. */
export interface ConnectionFacts extends Omit<Connection, 'retryAt'> {
    /** When it is tried next, in ms since the epoch by this clock, or null. */
    readonly retryAt: number | null;
    readonly session: SessionState;
    readonly agent: AgentState;
    /** The one thing to tell people. */
    readonly status: Status;
}
export declare function connectionOf(s: Snapshot): ConnectionFacts;
/** The state of the connection with its reason, and when it is tried again. */
export declare function useConnection(): ConnectionFacts;
/** What waits to be sent, and what can be done about it. */
export type OutboxFacts = Outbox & Pick<Actions, 'send' | 'cancel' | 'retry'>;
/** The outbox. Its functions reject with an AgentError where the agent refuses, and with an Error without an agent. */
export declare function useOutbox(): OutboxFacts;
/** The upload with this id, or null while there is none. */
export declare function useUpload(id: string | null | undefined): Upload | null;
