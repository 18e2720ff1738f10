/** How long to wait between tries, in ms. */
export interface Waits {
  /** Waits double from the first to the last. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Where nothing passes by itself soon. */
  readonly slowMs: number;
}

/** The wait after failures, of which there were so many before the last; up to a half less, so that many don't ask at once. */
export function waitAfter({ firstMs, lastMs, slowMs }: Waits, slow: boolean, before: number, random: () => number): number {
  return (slow ? slowMs : Math.min(lastMs, firstMs * 2 ** before)) * (1 - random() / 2);
}

/** A pause that somebody can end. There is one at a time. */
export class Pause {
  /** Ends the one under way; undefined while there is none. */
  wake: (() => void) | undefined;

  /** Resolves after so long, at the signal, or when it is woken. */
  of(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      this.wake = done;
    });
  }
}
