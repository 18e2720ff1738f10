import type { SnapshotPatch, Status } from '@chatsdk/core';

/** A state that a page can be in: what a store holds, and what an indicator makes of it. */
export interface State {
  readonly name: string;
  readonly status: Status;
  readonly patch: SnapshotPatch;
  readonly text: string;
  readonly bars: number;
  /** States of one group may look alike but for their words. */
  readonly group?: string;
}

const well = { state: 'connected', synced: true } as const;
const level = (name: 'excellent' | 'good' | 'fair' | 'poor', rttMs: number, text: string, bars: number): State => ({
  name,
  status: name,
  patch: { agent: 'connected', quality: { level: name, reach: 'online', rttMs, confidence: 0.97 }, connection: well },
  text,
  bars,
});
const signed = { state: 'fresh', user: 'ada' } as const;
const outbox = { queued: 2, durable: true };
const soon = (): string => new Date(Date.now() + 90_000).toISOString();

export const STATES: readonly State[] = [
  level('excellent', 12, 'Excellent10 ms', 3),
  level('good', 83, 'Good80 ms', 2),
  level('fair', 214, 'Fair210 ms', 1),
  { ...level('poor', 640, 'Poor640 ms', 0), group: '!' },
  { name: 'unknown', status: 'unknown', patch: { agent: 'connecting' }, text: 'Checking…', bars: 0, group: '?' },
  {
    name: 'reconnecting',
    status: 'reconnecting',
    patch: { quality: { level: 'good', reach: 'online', rttMs: 83 }, connection: { state: 'reconnecting' }, outbox },
    text: 'Reconnecting…',
    bars: 2,
    group: 'good', // the path is good; the words say what isn't
  },
  {
    name: 'offline',
    status: 'offline',
    patch: {
      quality: { level: 'offline', reach: 'offline' },
      connection: { state: 'reconnecting', retryAt: soon() },
      outbox,
    },
    text: 'OfflineReconnecting…',
    bars: 0,
    group: 'x',
  },
  {
    name: 'suspended',
    status: 'suspended',
    patch: { quality: { level: 'offline', reach: 'offline' }, connection: { state: 'suspended' }, outbox },
    text: 'OfflineStill trying…',
    bars: 0,
    group: 'x',
  },
  {
    name: 'failed',
    status: 'failed',
    patch: { connection: { state: 'failed', error: 'attempt limit reached' } },
    text: 'Connection failed',
    bars: 0,
    group: 'x',
  },
  {
    name: 'signed out',
    status: 'signed-out',
    patch: { session: { ...signed, state: 'reauth-required' }, connection: { state: 'failed' }, outbox },
    text: 'Signed out',
    bars: 0,
    group: '!',
  },
  {
    name: 'captive portal',
    status: 'captive',
    patch: { quality: { level: 'offline', reach: 'captive' }, connection: { state: 'reconnecting' } },
    text: 'Network sign-in needed',
    bars: 0,
    group: '!',
  },
  {
    name: 'server down',
    status: 'server-down',
    patch: { quality: { level: 'offline', reach: 'server-down' }, connection: { state: 'reconnecting' }, outbox },
    text: 'Server not answeringReconnecting…',
    bars: 0,
    group: '!',
  },
  {
    name: 'agent lost',
    status: 'agent-lost',
    patch: { agent: 'lost' },
    text: 'Chat program not running',
    bars: 0,
    group: '?',
  },
  {
    name: 'agent refused',
    status: 'agent-refused',
    patch: { agent: 'refused' },
    text: 'Page not let in',
    bars: 0,
    group: '?',
  },
  {
    name: 'agent incompatible',
    status: 'agent-incompatible',
    patch: { agent: 'incompatible' },
    text: 'Versions differ',
    bars: 0,
    group: '?',
  },
];
