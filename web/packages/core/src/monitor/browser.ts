// By its name, and not by its files: the page has the core already, and each of the two is built by itself.
import { BaseStore, EMPTY, type StoreOptions } from '@chatsdk/core';
import type { Quality } from '../types.js';
import { BACKGROUND, filled, FOREGROUND, type Effort } from './effort.js';
import { PAGE, type Environment } from './environment.js';
import { Estimator, type Cause, type Report } from './estimator.js';
import { Run } from './run.js';
import { MS } from './units.js';

export interface MonitorOptions extends StoreOptions {
  /**
   * What is asked for a sign of life: it answers 204, and gives the query's `c` back in the header `Chatsdk-Challenge`.
   * On another origin it also has to allow this one, and to expose that header. Defaults to `/api/health/ping`.
   */
  readonly pingUrl?: string;
  /** The effort while the page is seen. Defaults to a probe after half a second of silence. */
  readonly effort?: Effort;
  /** The effort while nobody sees it, or `pause` for no probes at all. Defaults to a probe after 10 s. */
  readonly hidden?: Effort | 'pause';
  /** How long a probe waits for its answer; twice as long for a new connection. Defaults to 3000. */
  readonly timeoutMs?: number;
  /** Replaces parts of the page: its clocks, `fetch`, timers and events. */
  readonly environment?: Partial<Environment>;
}

/** What the application saw by itself of its server. */
export interface Observation {
  /** The server answered. */
  readonly ok: boolean;
  /** From the request to the first byte of its answer, on a connection that was open. */
  readonly rttMs?: number;
  /** The server's own time in that, as by `Server-Timing`. */
  readonly serverMs?: number;
  /** Beside a transfer, in whose queue it waited. */
  readonly loaded?: boolean;
  /** How it failed, if that is known. If not, the monitor finds out. */
  readonly cause?: Cause;
}

/** Changes of numbers alone are told once in so long. */
const NUMBERS_EACH = 1000 * MS;

/**
 * The store of a page without an agent: it measures the path from this browser to the server, by probes, by what the
 * application tells it, and with the page's events for hints. Its `quality` is as an agent's; nothing else is known.
 * Make one for the page: it works while somebody is subscribed.
 */
export class BrowserMonitor extends BaseStore {
  readonly #options: MonitorOptions;
  readonly #e: Estimator;
  #run: Run | undefined;
  #published = -Infinity;
  #since: readonly [moment: number | null, time: string | null] = [null, null];

  constructor(options: MonitorOptions = {}) {
    super(EMPTY, options);
    if (/^[^?#]*\/\/[^/?#]*@/.test(options.pingUrl ?? '')) {
      throw new TypeError('pingUrl has a user in it: pings need no login, leave it out');
    }
    this.#options = options;
    this.#e = new Estimator(options.effort);
  }

  /** Asks the server at once. */
  readonly retryNow = (): void => this.#run?.hint();

  /**
   * Tells what the application saw, which saves probes. Returns whether it was of use: not while nobody is subscribed,
   * and not what can't be.
   */
  readonly observe = ({ ok, rttMs, serverMs = 0, loaded = false, cause }: Observation): boolean => {
    const run = this.#run;
    if (!run) return false;
    const source = 'call';
    if (!ok && cause) return run.tell({ kind: 'failure', cause, source });
    if (!ok) run.hint();
    else if (rttMs === undefined) return run.tell({ kind: 'inbound' });
    else return run.tell({ kind: 'round-trip', rtt: ns(rttMs), server: ns(serverMs), loaded, source });
    return true;
  };

  protected work(signal: AbortSignal): void {
    const { pingUrl = '/api/health/ping', timeoutMs = 3000, effort = FOREGROUND, hidden = BACKGROUND } = this.#options;
    const env = { ...PAGE, ...this.#options.environment };
    const options = {
      url: env.resolve(pingUrl).replace(/#.*/, ''),
      timeoutMs: timeoutMs > 0 && timeoutMs < Infinity ? timeoutMs : 3000,
      visible: filled(effort),
      hidden: hidden === 'pause' ? null : filled(hidden),
    };
    this.#run = new Run(env, this.#e, options, signal, (report, now) => this.#tell(report, now, env.wall()));
    signal.addEventListener('abort', () => (this.#run = undefined));
  }

  #tell(r: Report, now: number, wall: number): void {
    const { quality: told } = this.getSnapshot();
    const changed = r.level !== told.level || r.reach !== told.reach || r.reason !== told.reason;
    if (!changed && now - this.#published < NUMBERS_EACH) return;
    this.#published = now;
    // Made once for each change, as the clock on the wall and the other one drift.
    if (r.since !== this.#since[0]) {
      this.#since = [r.since, r.since === null ? null : new Date(wall - (now - r.since) / MS).toISOString()];
    }
    this.update({ quality: qualityOf(r, this.#since[1]) });
  }
}

const ns = (ms: number): number => Math.round(ms * MS);

function qualityOf(r: Report, since: string | null): Quality {
  const ms = (ns: number | null): number | null => (ns === null ? null : Math.round(ns / 1e4) / 100);
  const pct = (share: number): number | null => (r.answers ? Math.round(1e4 * share) / 100 : null);
  return {
    ...EMPTY.quality,
    level: r.level,
    reach: r.reach,
    reason: r.reason,
    rttMs: ms(r.rtt),
    variationMs: ms(r.variation),
    tailMs: ms(r.tail),
    loadedMs: ms(r.loaded),
    lossPct: pct(r.loss.share),
    lossLowPct: pct(r.loss.low),
    lossHighPct: pct(r.loss.high),
    confidence: Math.round(1000 * r.confidence) / 1000,
    ageMs: Math.round(r.age / MS),
    since,
  };
}
