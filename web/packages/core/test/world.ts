// A network, a clock and a page, all of them virtual: what a monitor does in an hour is seen in a moment.
import { afterEach } from 'vitest';
import { BrowserMonitor, type Environment, type Hint, type MonitorOptions } from '@chatsdk/core/monitor';
import type { Snapshot } from '@chatsdk/core';

/** What comes of a request: an answer, an error, or nothing at all. */
export type Answer = { readonly status: number; readonly challenge?: boolean; readonly type?: ResponseType } | 'error' | 'silent';

export const SERVER: Answer = { status: 204, challenge: true };

interface Timer {
  readonly at: number;
  readonly call: () => void;
}

const worlds: World[] = [];
afterEach(() => {
  for (const world of worlds.splice(0)) world.monitor?.stop();
});

export class World {
  ms = 1_000;
  wallMs = Date.UTC(2026, 2, 1, 12);
  rttMs = 20;
  answer: Answer = SERVER;
  isOnline = true;
  isHidden = false;
  /** After so long a time without use, the server closes a connection. */
  keepMs = 5_000;
  readonly requests: { readonly url: string; readonly init: RequestInit; readonly at: number }[] = [];
  inFlight = 0;
  mostInFlight = 0;
  timers: Timer[] = [];
  listeners = 0;
  monitor: BrowserMonitor | undefined;
  /** Whether the browser tells what it timed: it can't, nothing comes, it says that it may not, it does, by a coarse clock. */
  timed: 'never' | 'lost' | 'forbidden' | 'yes' | 'coarse' = 'never';
  #timed: ((url: string, ms: number) => void) | undefined;
  #hint: ((event: Hint) => void) | undefined;
  /** When each connection was used last; -1 while it is in use. */
  #connections: number[] = [];
  #challenges = 0;

  constructor() {
    worlds.push(this);
  }

  open(options: MonitorOptions = {}): BrowserMonitor {
    this.monitor = new BrowserMonitor({ pingUrl: 'http://chat/ping', environment: this.environment, ...options });
    this.monitor.subscribe(() => {});
    return this.monitor;
  }

  get quality(): Snapshot['quality'] {
    return this.monitor!.getSnapshot().quality;
  }

  readonly environment: Environment = {
    now: () => this.ms,
    wall: () => this.wallMs,
    fetch: (url, init) => this.#fetch(url, init),
    setTimeout: (call, ms) => {
      const timer = { at: this.ms + ms, call };
      this.timers.push(timer);
      return timer;
    },
    clearTimeout: (timer) => {
      this.timers = this.timers.filter((t) => t !== timer);
    },
    resolve: (url) => new URL(url, 'http://page/folder/').href,
    challenge: () => `c${++this.#challenges}`,
    online: () => this.isOnline,
    hidden: () => this.isHidden,
    listen: (hint, signal) => {
      this.#hint = hint;
      this.listeners++;
      signal.addEventListener('abort', () => {
        this.#hint = undefined;
        this.listeners--;
      });
    },
    timings: (timed, signal) => {
      this.#timed = timed;
      signal.addEventListener('abort', () => (this.#timed = undefined));
      return this.timed !== 'never';
    },
  };

  async tell(event: Hint): Promise<void> {
    this.#hint?.(event);
    await settled();
  }

  #fetch(url: string, init: RequestInit): Promise<Response> {
    this.requests.push({ url, init, at: this.ms });
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    const answer = this.answer;
    const open = this.#connections.findIndex((used) => used >= 0 && this.ms - used < this.keepMs);
    const mine = open < 0 ? this.#connections.push(-1) - 1 : open;
    this.#connections[mine] = -1;
    const fails = answer === 'error';
    const trips = open < 0 && !fails ? 3 : 1; // TCP, TLS, and the question
    return new Promise((resolve, reject) => {
      const done = (keeps: boolean): void => {
        this.inFlight--;
        this.environment.clearTimeout(timer);
        init.signal!.removeEventListener('abort', aborted);
        this.#connections[mine] = keeps ? this.ms : -Infinity;
      };
      const aborted = (): void => {
        done(false);
        reject(new DOMException('aborted', 'AbortError'));
      };
      init.signal!.addEventListener('abort', aborted);
      const after = answer === 'silent' ? Infinity : fails ? 2 : this.rttMs * trips;
      const timer = this.environment.setTimeout(() => {
        done(!fails);
        if (fails) reject(new TypeError('Failed to fetch'));
        else resolve(respond(answer as Exclude<Answer, string>, url));
        const ms = { never: undefined, lost: undefined, forbidden: NaN, yes: after / trips, coarse: 0 }[this.timed]; // without a set-up
        if (ms !== undefined) this.environment.setTimeout(() => this.#timed?.(url, ms), 2);
      }, after);
    });
  }

  /** Lets time go by. */
  async wait(ms: number): Promise<void> {
    await settled();
    for (const end = this.ms + ms; ; ) {
      const next = this.timers.reduce<Timer | undefined>((a, b) => (!a || b.at < a.at ? b : a), undefined);
      const to = next && next.at <= end ? Math.max(next.at, this.ms) : end;
      this.wallMs += to - this.ms;
      this.ms = to;
      if (!next || next.at > end) return;
      this.environment.clearTimeout(next);
      next.call();
      await settled();
    }
  }

  /** Time goes by, and nobody is called back meanwhile: a busy page, or a machine that sleeps. */
  async block(ms: number): Promise<void> {
    this.ms += ms;
    this.wallMs += ms;
    await this.wait(0);
  }

  /** Lets time go by until something is so, and says how long that took. */
  async until(holds: () => boolean, atMost = 60_000): Promise<number> {
    const from = this.ms;
    while (!holds()) {
      if (this.ms - from > atMost) throw new Error(`not within ${atMost} ms: ${JSON.stringify(this.quality)}`);
      await this.wait(10);
    }
    return this.ms - from;
  }

  is(level: string, reach = 'online'): () => boolean {
    return () => this.quality.level === level && this.quality.reach === reach;
  }
}

function respond({ status, challenge, type }: Exclude<Answer, string>, url: string): Response {
  const headers = new Headers(challenge ? { 'Chatsdk-Challenge': new URL(url).searchParams.get('c')! } : {});
  return { status, headers, type: type ?? 'basic' } as Response;
}

/** All that waits for nothing but its turn has had it. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}
