import type { Snapshot, Store } from '@chatsdk/core';

/** How far back a time line shows, in ms. */
export const WINDOW_MS = 120_000;
/** A sample is taken at least so often while somebody looks, in ms. */
const PACE_MS = 1000;
/** Changes that are closer together than this share one sample and one drawing, in ms. */
export const SLOT_MS = 250;
/** Samples that fill the window if there is one in each slot, and some more at its edges. */
export const CAPACITY = WINDOW_MS / SLOT_MS + 20;
/** The most spans of one lane: more than that in two minutes can't be told apart. */
export const MOST_SPANS = 200;
/** Without a sample for so long, nothing is known of what was in between, in ms. */
const GAP_MS = 5 * PACE_MS;

export const LANES = ['level', 'connection', 'circuit', 'session'] as const;
export type Lane = (typeof LANES)[number];

/** How long something was so. `to` is null while it still is; an empty word says that nothing was known. */
export interface Span {
  readonly from: number;
  readonly to: number | null;
  readonly word: string;
}

/** The columns of a chart: times in ms since the epoch, round trips in ms (null: not known), messages that wait. */
export interface Columns {
  readonly times: readonly number[];
  readonly rtt: readonly (number | null)[];
  readonly queued: readonly number[];
}

/** What a time line shows at one time; the same object until something is added. */
export interface View extends Columns {
  readonly at: number;
  readonly lanes: Readonly<Record<Lane, readonly Span[]>>;
}

/** A ring of samples: its memory is taken once, and the oldest sample makes room for the newest. */
export class Ring {
  readonly #times: Float64Array;
  readonly #rtt: Float64Array; // NaN: not known
  readonly #queued: Float64Array;
  #next = 0;
  #length = 0;

  constructor(readonly capacity: number) {
    [this.#times, this.#rtt, this.#queued] = [0, 1, 2].map(() => new Float64Array(capacity)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
  }

  get length(): number {
    return this.#length;
  }

  /** When the last sample was taken; -Infinity before the first. */
  get last(): number {
    return this.#length ? this.#times[this.#index(this.#length - 1)]! : -Infinity;
  }

  push(at: number, rtt: number | null, queued: number): void {
    this.#set(this.#next, at, rtt, queued);
    this.#next = (this.#next + 1) % this.capacity;
    this.#length = Math.min(this.#length + 1, this.capacity);
  }

  /** Takes a value into the last sample. A queue that was longer for a moment stays seen. */
  amend(rtt: number | null, queued: number): void {
    const i = this.#index(this.#length - 1);
    this.#set(i, this.#times[i]!, rtt, Math.max(queued, this.#queued[i]!));
  }

  clear(): void {
    this.#length = 0;
  }

  /** The samples since then, and the one before, at which the lines come in. */
  since(from: number): Columns {
    let first = 0;
    while (first < this.#length - 1 && this.#times[this.#index(first + 1)]! <= from) first++;
    const at = Array.from({ length: this.#length - first }, (_, i) => this.#index(first + i));
    return {
      times: at.map((i) => this.#times[i]!),
      rtt: at.map((i) => (Number.isNaN(this.#rtt[i]!) ? null : this.#rtt[i]!)),
      queued: at.map((i) => this.#queued[i]!),
    };
  }

  #set(i: number, at: number, rtt: number | null, queued: number): void {
    this.#times[i] = at;
    this.#rtt[i] = rtt ?? NaN;
    this.#queued[i] = queued;
  }

  #index(i: number): number {
    return (this.#next - this.#length + i + this.capacity) % this.capacity;
  }
}

/** The words of the lanes. While the agent isn't heard, nothing is known. */
export function wordsOf({ agent, quality, connection, session }: Snapshot): Readonly<Record<Lane, string>> {
  if (agent !== 'connected' && agent !== 'none') return { level: '', connection: '', circuit: '', session: '' };
  // A server that is away, or behind a portal, is no level of the network.
  const away = ['captive', 'server-down'].includes(quality.reach);
  return {
    level: away ? quality.reach : quality.level,
    connection: connection.state,
    circuit: connection.circuit,
    session: session.state,
  };
}

/** What a Timeline takes of the page: only a document that is seen is drawn. */
export type Page = Pick<Document, 'visibilityState' | 'addEventListener' | 'removeEventListener'>;

/**
 * The last two minutes of a client, sampled at each change and at a fixed pace. Works while somebody is subscribed; while
 * nobody sees the page it only notes what changes, and tells nobody.
 */
export class Timeline {
  readonly #ring = new Ring(CAPACITY);
  #lanes: Record<Lane, readonly Span[]> = { level: [], connection: [], circuit: [], session: [] };
  #view: View;
  readonly #listeners = new Set<() => void>();
  #off: (() => void) | undefined;
  #pace: ReturnType<typeof setInterval> | undefined;
  #soon: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly store: Store,
    readonly page: Page | undefined = globalThis.document,
  ) {
    this.#view = this.#see(Date.now());
  }

  readonly getSnapshot = (): View => this.#view;

  readonly subscribe = (listener: () => void): (() => void) => {
    if (!this.#listeners.size) this.#start();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (!this.#listeners.size) this.#stop();
    };
  };

  #start(): void {
    this.#off = this.store.subscribe(this.#note);
    this.page?.addEventListener('visibilitychange', this.#look);
    this.#look();
  }

  #stop(): void {
    this.#off?.();
    this.page?.removeEventListener('visibilitychange', this.#look);
    this.#rest();
  }

  #rest(): void {
    clearInterval(this.#pace);
    clearTimeout(this.#soon);
    this.#pace = this.#soon = undefined;
  }

  /** Begins or ends to draw. */
  readonly #look = (): void => {
    this.#rest();
    if (this.page?.visibilityState === 'hidden') return;
    this.#pace = setInterval(this.#beat, PACE_MS);
    this.#beat();
  };

  readonly #beat = (): void => {
    this.#take();
    this.#tell();
  };

  /** Takes a change in, and tells of it in time for the eye. */
  readonly #note = (): void => {
    this.#take();
    if (this.page?.visibilityState !== 'hidden') this.#soon ??= setTimeout(this.#tell, SLOT_MS);
  };

  readonly #tell = (): void => {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    this.#view = this.#see(Date.now());
    for (const listener of [...this.#listeners]) listener();
  };

  #take(): void {
    const now = Date.now();
    if (now < this.#ring.last) this.#forget(); // the clock was set back
    const snapshot = this.store.getSnapshot();
    const words = wordsOf(snapshot);
    const { queued, sending } = snapshot.outbox;
    const { reach } = snapshot.quality;
    // What was measured last is no round trip of a network that isn't there.
    const rttMs = reach === 'online' ? snapshot.quality.rttMs : null;
    if (now - this.#ring.last < SLOT_MS) this.#ring.amend(rttMs, queued + sending);
    else {
      if (this.#ring.length && now - this.#ring.last > GAP_MS) this.#ring.push(now - 1, null, queued + sending);
      this.#ring.push(now, rttMs, queued + sending);
    }
    for (const lane of LANES) this.#lanes[lane] = extend(this.#lanes[lane], words[lane], now);
  }

  #forget(): void {
    this.#ring.clear();
    for (const lane of LANES) this.#lanes[lane] = [];
  }

  #see(now: number): View {
    return { at: now, ...this.#ring.since(now - WINDOW_MS), lanes: { ...this.#lanes } };
  }
}

/** extend says that from now on it is so, and forgets what is out of the window, or too much. */
export function extend(spans: readonly Span[], word: string, now: number): readonly Span[] {
  const last = spans.at(-1);
  const old = (s: Span): boolean => s.to !== null && s.to < now - WINDOW_MS;
  if (last?.word === word) return spans.some(old) ? spans.filter((s) => !old(s)) : spans;
  const ended = last ? [...spans.slice(0, -1), { ...last, to: now }] : [];
  return [...ended, { from: now, to: null, word }].filter((s) => !old(s)).slice(-MOST_SPANS);
}
