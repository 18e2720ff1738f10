import {
  statusOf,
  type Actions,
  type AgentState,
  type Connection,
  type Level,
  type Outbox,
  type Reach,
  type SessionState,
  type Snapshot,
  type Status,
  type Upload,
} from '@chatsdk/core';
import { useMemo } from 'react';
import { useSnapshot, useStore } from './store.js';
import { latencyOf } from './view.js';

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

function metricsOf(s: Snapshot): NetworkMetrics {
  const { level, reach, reason, confidence, lossPct, at } = s.quality;
  return {
    quality: level,
    latency: latencyOf(s),
    packetLoss: lossPct,
    isOnline: level !== 'offline' && /^(online|unknown)$/.test(reach),
    timestamp: at,
    level,
    reach,
    reason,
    confidence,
  };
}

/**
 * The quality of the network. With a function, what that picks of it: `useNetworkQuality((m) => m.isOnline)` renders
 * again only when that changes.
 */
export function useNetworkQuality(): NetworkMetrics;
export function useNetworkQuality<T>(select: (metrics: NetworkMetrics) => T): T;
export function useNetworkQuality(select?: (metrics: NetworkMetrics) => unknown): unknown {
  return useSnapshot((s) => (select ? select(metricsOf(s)) : metricsOf(s)));
}

/** What the connection does, and what stands in its way. */
export interface ConnectionFacts extends Omit<Connection, 'retryAt'> {
  /** When it is tried next, in ms since the epoch by this clock, or null. */
  readonly retryAt: number | null;
  readonly session: SessionState;
  readonly agent: AgentState;
  /** The one thing to tell people. */
  readonly status: Status;
}

export function connectionOf(s: Snapshot): ConnectionFacts {
  const { retryAt } = s.connection;
  return {
    ...s.connection,
    retryAt: (retryAt && Date.parse(retryAt) - s.agentInfo.skewMs) || null,
    session: s.session.state,
    agent: s.agent,
    status: statusOf(s),
  };
}

/** The state of the connection with its reason, and when it is tried again. */
export function useConnection(): ConnectionFacts {
  return useSnapshot(connectionOf);
}

/** What waits to be sent, and what can be done about it. */
export type OutboxFacts = Outbox & Pick<Actions, 'send' | 'cancel' | 'retry'>;

const none = (): Promise<never> => Promise.reject(new Error('chatsdk: no agent to ask'));
const NONE = { send: none, cancel: none, retry: none };

/** The outbox. Its functions reject with an AgentError where the agent refuses, and with an Error without an agent. */
export function useOutbox(): OutboxFacts {
  const outbox = useSnapshot((s) => s.outbox);
  const { send, cancel, retry } = useStore().actions ?? NONE;
  return useMemo(() => ({ ...outbox, send, cancel, retry }), [outbox, send, cancel, retry]);
}

/** The upload with this id, or null while there is none. */
export function useUpload(id: string | null | undefined): Upload | null {
  return useSnapshot((s) => s.uploads.find((u) => u.id === id) ?? null);
}
