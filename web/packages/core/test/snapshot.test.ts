import { expect, test } from 'vitest';
import { EMPTY, LEVELS, MemoryStore, statusOf, type SnapshotPatch, type Status } from '@chatsdk/core';
import { checkPatch, merge } from '../src/snapshot.ts';

test('the first snapshot knows nothing', () => {
  expect(EMPTY.quality).toMatchObject({ level: 'unknown', reach: 'unknown', rttMs: null, lossPct: null, at: 0 });
  expect(statusOf(EMPTY)).toBe('unknown');
});

test('a key named __proto__ is a key', () => {
  const { channels } = checkPatch(JSON.parse('{"channels":{"__proto__":{"synced":true}}}'));
  expect(Object.keys(channels!)).toEqual(['__proto__']);
  expect(Object.getPrototypeOf(channels!)).toBe(Object.prototype);
  expect(({} as Record<string, unknown>)['synced']).toBeUndefined();
});

test('merge stamps quality when it changes, and only then', () => {
  const a = merge(EMPTY, checkPatch({ quality: { level: 'good', at: 5 } }), 1000);
  expect(a.quality.at).toBe(1000);
  const b = merge(a, checkPatch({ quality: { level: 'good' } }), 2000);
  expect(b).toBe(a);
  const c = merge(a, checkPatch({ quality: { level: 'fair' }, server: '' }), 3000);
  expect(c.quality.at).toBe(3000);
});

test('levels are those of package quality', () => {
  const rows = Object.entries(LEVELS).map(([level, r]) => [level, r.label, r.bars, r.belowMs, r.belowPct]);
  expect(rows).toEqual([
    ['excellent', 'Excellent', 3, 50, 0],
    ['good', 'Good', 2, 150, 1],
    ['fair', 'Fair', 1, 300, 5],
    ['poor', 'Poor', 0, Infinity, Infinity],
    ['offline', 'Offline', 0, 0, 0],
    ['unknown', 'Checking…', 0, 0, 0],
  ]);
});

const quality = { level: 'good', reach: 'online' } as const;
test.each<[Status, SnapshotPatch]>([
  ['good', { quality }],
  ['offline', { quality: { level: 'offline', reach: 'offline' } }],
  ['offline', { quality: { level: 'unknown', reach: 'offline' } }],
  ['captive', { quality: { level: 'offline', reach: 'captive' }, connection: { state: 'reconnecting' } }],
  ['server-down', { quality: { level: 'good', reach: 'server-down' }, connection: { state: 'suspended' } }],
  ['reconnecting', { quality, connection: { state: 'reconnecting' } }],
  ['offline', { quality: { level: 'offline' }, connection: { state: 'reconnecting' } }],
  ['suspended', { quality: { level: 'offline' }, connection: { state: 'suspended' } }],
  ['failed', { quality: { level: 'offline' }, connection: { state: 'failed' } }],
  ['failed', { quality, session: { state: 'config-error' }, run: 'r' }],
  ['signed-out', { quality, session: { state: 'reauth-required' }, connection: { state: 'failed' } }],
  ['signed-out', { quality, session: { state: 'none' }, run: 'r' }],
  ['good', { quality, session: { state: 'none' } }],
  ['good', { quality, session: { state: 'expired' }, run: 'r' }],
  ['agent-lost', { agent: 'lost', quality, session: { state: 'reauth-required' } }],
  ['agent-refused', { agent: 'refused' }],
  ['agent-incompatible', { agent: 'incompatible' }],
  ['good', { agent: 'connecting', quality }],
  ['unknown', { quality: { level: 'superb' as 'good' } }],
  ['unknown', { quality: { level: 'constructor' as 'good' } }],
])('%s for %j', (status, patch) => {
  expect(statusOf(new MemoryStore(patch).getSnapshot())).toBe(status);
});
