/** Levels of quality, best last. `unknown` is the first state of everything: nothing was measured yet. */
export type Level = 'unknown' | 'offline' | 'poor' | 'fair' | 'good' | 'excellent';
/** What is reached. `captive`: somebody else answers, such as the sign-in page of a hotel's network. */
export type Reach = 'unknown' | 'online' | 'captive' | 'server-down' | 'offline';
/**
 * How the page gets on with the local agent that tells it everything else. A fact of its own: that the agent is gone
 * doesn't say that the network is bad. `none`: this store needs no agent.
 */
export type AgentState = 'none' | 'connecting' | 'connected' | 'lost' | 'refused' | 'incompatible';
export type ConnectionState = 'disconnected' | 'connecting' | 'connected' | 'reconnecting' | 'suspended' | 'failed';
export type SessionState = 'none' | 'fresh' | 'stale' | 'degraded' | 'expired' | 'reauth-required' | 'config-error';
export type EntryState = 'queued' | 'sending' | 'sent' | 'parked' | 'cancelled' | 'expired';
export type UploadState = 'queued' | 'sending' | 'waiting' | 'done' | 'failed' | 'cancelled';
/** An RFC 3339 time with milliseconds, by the agent's clock. */
export type Time = string;
export interface AgentInfo {
    /** Why the agent isn't connected, for a log; empty while it is. */
    readonly error: string;
    /** Tries that failed in a row. */
    readonly attempt: number;
    /** When the next try is due, in ms since the epoch by this clock, or null. */
    readonly retryAt: number | null;
    /** Events that couldn't be understood and were skipped, since the store was made. */
    readonly malformed: number;
    /** How often events were missed and the whole state was fetched again. Messages may be missing: see `history`. */
    readonly gaps: number;
    /** How far the agent's clock is ahead of this one, in ms. */
    readonly skewMs: number;
}
export interface Session {
    readonly state: SessionState;
    readonly reason: string;
    readonly user: string;
    readonly device: string;
}
/** The path to the server. Numbers are null while they aren't known. */
export interface Quality {
    readonly level: Level;
    readonly reach: Reach;
    readonly reason: string;
    readonly rttMs: number | null;
    readonly variationMs: number | null;
    readonly tailMs: number | null;
    readonly loadedMs: number | null;
    readonly lossPct: number | null;
    readonly lossLowPct: number | null;
    readonly lossHighPct: number | null;
    readonly upBps: number | null;
    readonly downBps: number | null;
    readonly dropsAnHour: number;
    /** How probable it is that level and reach are right, 0 to 1. */
    readonly confidence: number;
    readonly ageMs: number;
    readonly since: Time | null;
    /** When this store got it, in ms since the epoch by this clock; 0 before that. */
    readonly at: number;
}
export interface Connection {
    readonly state: ConnectionState;
    /** Subscribed and caught up. */
    readonly synced: boolean;
    readonly since: Time | null;
    readonly reason: string;
    readonly error: string;
    readonly attempt: number;
    readonly retryAt: Time | null;
    readonly circuit: 'closed' | 'open' | 'half-open';
}
export interface OutboxEntry {
    readonly id: string;
    readonly channel: string;
    /** The first 200 characters. */
    readonly text: string;
    readonly state: EntryState;
    readonly reason: string;
    readonly seq: number;
    readonly at: Time;
}
export interface Outbox {
    readonly durable: boolean;
    readonly queued: number;
    readonly sending: number;
    readonly parked: number;
    readonly bytes: number;
    /** How many wait for what. */
    readonly blocked: Readonly<Record<string, number>>;
    readonly oldest: Time | null;
    readonly nextTry: Time | null;
    readonly entries: readonly OutboxEntry[];
}
export interface Upload {
    readonly id: string;
    readonly name: string;
    readonly channel: string;
    readonly sent: number;
    readonly total: number;
    /** Bytes that the server already held when this run began. */
    readonly resumedFrom: number;
    readonly state: UploadState;
    readonly error: string;
    readonly bps: number | null;
}
export interface Channel {
    readonly synced: boolean;
    readonly received: number;
    readonly processed: number;
    readonly newest: number;
}
/** All that is known at one time. Frozen, and the same object as long as nothing changed; so is each part of it. */
export interface Snapshot {
    readonly agent: AgentState;
    readonly agentInfo: AgentInfo;
    /** Which run of the agent tells this; empty before one did. */
    readonly run: string;
    readonly version: string;
    readonly server: string;
    readonly session: Session;
    readonly quality: Quality;
    readonly connection: Connection;
    readonly outbox: Outbox;
    readonly uploads: readonly Upload[];
    readonly channels: Readonly<Record<string, Channel>>;
}
/** A message of a channel. `replay`: it may have been shown before an unclean stop. */
export interface Message {
    readonly channel: string;
    readonly seq: number;
    readonly id: string;
    readonly user: string;
    readonly text: string;
    readonly time: Time;
    readonly attachments: readonly unknown[];
    readonly replay: boolean;
}
