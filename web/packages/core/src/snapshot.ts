import type { Message, Quality, Snapshot } from './types.js';

/**
 * What each part looks like and what it is at first. Null: a number, a text or null. An array holds the shape of its
 * elements, `*` that of a map's values. What the agent sends has to have these types; what is missing gets the value
 * here, and what isn't named here (a newer agent may send it) is left out.
 */
const TEMPLATE = {
  run: '',
  version: '',
  server: '',
  session: { state: 'none', reason: '', user: '', device: '' },
  quality: {
    level: 'unknown',
    reach: 'unknown',
    reason: '',
    rttMs: null,
    variationMs: null,
    tailMs: null,
    loadedMs: null,
    lossPct: null,
    lossLowPct: null,
    lossHighPct: null,
    upBps: null,
    downBps: null,
    dropsAnHour: 0,
    confidence: 0,
    ageMs: 0,
    since: null,
    at: 0,
  },
  connection: {
    state: 'disconnected',
    synced: false,
    since: null,
    reason: '',
    error: '',
    attempt: 0,
    retryAt: null,
    circuit: 'closed',
  },
  outbox: {
    durable: false,
    queued: 0,
    sending: 0,
    parked: 0,
    bytes: 0,
    blocked: { '*': 0 },
    oldest: null,
    nextTry: null,
    entries: [{ id: '', channel: '', text: '', state: 'queued', reason: '', seq: 0, at: '' }],
  },
  uploads: [
    { id: '', name: '', channel: '', sent: 0, total: 0, resumedFrom: 0, state: 'queued', error: '', bps: null },
  ],
  channels: { '*': { synced: false, received: 0, processed: 0, newest: 0 } },
};

const MESSAGE = {
  channel: '',
  seq: 0,
  id: '',
  user: '',
  text: '',
  time: '',
  attachments: [undefined],
  replay: false,
};

/** conform returns a frozen value in the template's shape, or throws a TypeError that names where it differs. */
function conform(template: unknown, value: unknown, path: string): unknown {
  if (template === undefined) return value;
  if (template === null) {
    if (value == null) return null;
    if (typeof value === 'number' || typeof value === 'string') return value;
  } else if (typeof template !== 'object') {
    if (value == null) return template;
    if (typeof value === typeof template) return value;
  } else if (Array.isArray(template)) {
    // Go writes an empty list as null at times.
    if (value == null) return Object.freeze([]);
    if (Array.isArray(value)) return Object.freeze(value.map((v) => conform(template[0], v, path)));
  } else if (value == null || (typeof value === 'object' && !Array.isArray(value))) {
    const from = (value ?? {}) as Record<string, unknown>;
    const shape = template as Record<string, unknown>;
    // fromEntries defines each key as its own, `__proto__` too.
    const entries =
      '*' in shape
        ? Object.entries(from).map(([k, v]) => [k, conform(shape['*'], v, path)])
        : Object.keys(shape).map((k) => [k, conform(shape[k], from[k], `${path}.${k}`)]);
    return Object.freeze(Object.fromEntries(entries));
  }
  throw new TypeError(`unexpected ${path}`);
}

/** The first snapshot of every store, and the one that a server renders. */
export const EMPTY = Object.freeze({
  agent: 'none',
  agentInfo: Object.freeze({ error: '', attempt: 0, retryAt: null, malformed: 0, gaps: 0, skewMs: 0 }),
  ...(conform(TEMPLATE, {}, '') as object),
}) as Snapshot;

/** Parts of a snapshot as they come in: unchecked. */
export type Patch = Readonly<Record<string, unknown>>;

/** checkPatch returns what of a patch is known, in shape; throws a TypeError for what isn't. */
export function checkPatch(patch: unknown): Partial<Snapshot> {
  const known = Object.fromEntries(
    Object.entries(conform({ '*': undefined }, patch ?? undefined, 'data') as Patch)
      .filter(([k]) => Object.hasOwn(TEMPLATE, k))
      .map(([k, v]) => [k, conform(TEMPLATE[k as keyof typeof TEMPLATE], v, k)]),
  );
  return known as Partial<Snapshot>;
}

/** checkMessage returns a frozen message; throws a TypeError for something else. */
export function checkMessage(data: unknown): Message {
  const m = conform(MESSAGE, data, 'message') as Message;
  if (!m.channel || !m.seq) throw new TypeError('unexpected message');
  return m;
}

/** merge returns the snapshot with the parts of the patch that differ, or the same one if none does. */
export function merge(old: Snapshot, patch: Partial<Snapshot>, now: number): Snapshot {
  const changed: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(patch)) {
    const before = old[key as keyof Snapshot];
    let next = value as unknown;
    if (key === 'quality') next = { ...(value as Quality), at: old.quality.at };
    if (JSON.stringify(before) === JSON.stringify(next)) continue;
    if (key === 'quality') next = { ...(value as Quality), at: now };
    changed[key] = Object.freeze(next);
  }
  return Object.keys(changed).length ? Object.freeze({ ...old, ...changed }) : old;
}
