/** The events of a page that the monitor takes for hints. */
export type Hint = 'visibilitychange' | 'pageshow' | 'online' | 'offline';

/** What the monitor uses of its surroundings. Replace parts of it in tests, or where there is no page. */
export interface Environment {
  /** A clock that only goes forward, in ms. */
  readonly now: () => number;
  /** The clock on the wall, in ms since the epoch: it goes on while the machine sleeps. */
  readonly wall: () => number;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly setTimeout: (call: () => void, ms: number) => unknown;
  readonly clearTimeout: (timer: unknown) => void;
  /** The whole address of one that may be relative. */
  readonly resolve: (url: string) => string;
  /** Words that nobody can guess, for an address. */
  readonly challenge: () => string;
  /** Whether the browser believes that there is a network. It is wrong both ways at times. */
  readonly online: () => boolean;
  /** Whether nobody sees the page. */
  readonly hidden: () => boolean;
  /** Calls back at each event, until the signal is aborted. */
  readonly listen: (hint: (event: Hint) => void, signal: AbortSignal) => void;
  /**
   * Calls back with what the browser itself timed of each request, until the signal is aborted: the ms from its sending to
   * the first byte of the answer, or NaN where it doesn't say. False means that it times none.
   */
  readonly timings: (timed: (url: string, ms: number) => void, signal: AbortSignal) => boolean;
}

/** The page, or a worker, that this runs in. Nothing is touched before it is used. */
export const PAGE: Environment = {
  now: () => performance.now(),
  wall: () => Date.now(),
  fetch: (url, init) => fetch(url, init),
  setTimeout: (call, ms) => setTimeout(call, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
  resolve: (url) => new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href,
  // randomUUID is there on secure pages alone.
  challenge: () => crypto.getRandomValues(new Uint32Array(4)).join('-'),
  online: () => globalThis.navigator?.onLine !== false,
  hidden: () => globalThis.document?.visibilityState === 'hidden',
  listen: (hint, signal) => {
    const on = (target: Partial<EventTarget> | undefined, event: Hint): void =>
      target?.addEventListener?.(event, () => hint(event), { signal });
    on(globalThis.document, 'visibilitychange');
    on(globalThis, 'pageshow');
    on(globalThis, 'online');
    on(globalThis, 'offline');
  },
  timings: (timed, signal) => {
    if (!globalThis.PerformanceObserver?.supportedEntryTypes?.includes('resource')) return false;
    const observer = new PerformanceObserver((list) => {
      for (const { name, requestStart, responseStart } of list.getEntries() as PerformanceResourceTiming[]) {
        timed(name, requestStart ? responseStart - requestStart : NaN); // 0 is all that another origin has, unless it allows
      }
    });
    observer.observe({ type: 'resource' });
    signal.addEventListener('abort', () => observer.disconnect());
    return true;
  },
};
