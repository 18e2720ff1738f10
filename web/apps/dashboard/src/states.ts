import type { SnapshotPatch } from '@chatsdk/core';

const well = { state: 'connected', synced: true } as const;
const level = (name: 'excellent' | 'good' | 'fair' | 'poor', rttMs: number): { name: string; patch: SnapshotPatch } => ({
  name,
  patch: { agent: 'connected', quality: { level: name, reach: 'online', rttMs, confidence: 0.97 }, connection: well },
});
const signed = { state: 'fresh', user: 'ada' } as const;
const outbox = { queued: 2, durable: true };
const soon = (): string => new Date(Date.now() + 90_000).toISOString();

/** Every state that a page can be in, as a store holds it. */
export const states = [
  level('excellent', 12),
  level('good', 83),
  level('fair', 214),
  level('poor', 640),
  { name: 'unknown', patch: { agent: 'connecting' } },
  {
    name: 'reconnecting',
    patch: { quality: { level: 'good', reach: 'online', rttMs: 83 }, connection: { state: 'reconnecting' }, outbox },
  },
  {
    name: 'offline',
    patch: {
      quality: { level: 'offline', reach: 'offline' },
      connection: { state: 'reconnecting', retryAt: soon() },
      outbox,
    },
  },
  {
    name: 'suspended',
    patch: { quality: { level: 'offline', reach: 'offline' }, connection: { state: 'suspended' }, outbox },
  },
  { name: 'failed', patch: { connection: { state: 'failed', error: 'attempt limit reached' } } },
  {
    name: 'signed out',
    patch: { session: { ...signed, state: 'reauth-required' }, connection: { state: 'failed' }, outbox },
  },
  {
    name: 'captive portal',
    patch: { quality: { level: 'offline', reach: 'captive' }, connection: { state: 'reconnecting' } },
  },
  {
    name: 'server down',
    patch: { quality: { level: 'offline', reach: 'server-down' }, connection: { state: 'reconnecting' }, outbox },
  },
  { name: 'agent lost', patch: { agent: 'lost' } },
  { name: 'agent refused', patch: { agent: 'refused' } },
  { name: 'agent incompatible', patch: { agent: 'incompatible' } },
] as const satisfies readonly { readonly name: string; readonly patch: SnapshotPatch }[];
