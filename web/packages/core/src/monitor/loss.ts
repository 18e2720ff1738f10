// What late answers tell of loss, as in Go's quality/loss.go and quality/filter.go: a page has no counters of segments.
import { MINUTE, SECOND } from './units.js';

const BUCKETS = 90;
const BUCKET = 2 * SECOND;
const AGE = BUCKETS * BUCKET;
const SPLIT_AT = 10.8;
const SPLIT_NEW = 6;
const SPLIT_OLD = 10;
const HAZARD = 2 * MINUTE;
const MOST_KEPT = 1 - 1e-9;

/** Levels: no loss, under 1%, under 5%, and more. */
const CLASSES = 4;
const PRIORS = [0.5, 0.15, 0.15, 0.2];

interface Rate {
  readonly class: number;
  readonly prior: number;
  /** Logarithms of probabilities, for an exchange of two segments. */
  readonly late: number;
  readonly early: number;
}

/** Rates of loss, evenly spaced by their logarithm in each class: from, to, and how many. */
const GRID = [
  [1e-5, 1e-5, 1],
  [0.001, 0.01, 8],
  [0.01, 0.05, 12],
  [0.05, 0.6, 20],
].flatMap(([low, high, points], c) =>
  Array.from({ length: points! }, (_, n): Rate => {
    const p = low! * Math.pow(high! / low!, (n + 0.5) / points!);
    const late = 1 - (1 - p) * (1 - p);
    return { class: c, prior: PRIORS[c]! / points!, late: Math.log(late), early: Math.log1p(-late) };
  }),
);

/** The probability of each rate of loss, given all that was counted and that the rate changes at times. */
export class LossFilter {
  #weights: number[] | undefined; // sum 1
  #classes = PRIORS;
  #at = 0;

  /** Takes n answers, of which k were late. */
  add(now: number, n: number, k: number): void {
    const keep = this.#kept(now);
    const logs = GRID.map((g) => k * g.late + (n - k) * g.early);
    const most = Math.max(...logs);
    const weights = GRID.map(
      (g, i) => (keep * (this.#weights?.[i] ?? 0) + (1 - keep) * g.prior) * Math.exp(logs[i]! - most),
    );
    let sum = 0;
    for (const w of weights) sum += w;
    this.#classes = PRIORS.map(() => 0);
    this.#weights = weights.map((w, i) => {
      this.#classes[GRID[i]!.class]! += w / sum;
      return w / sum;
    });
    this.#at = now;
  }

  #kept(now: number): number {
    return this.#weights ? Math.min(Math.exp(-(now - this.#at) / HAZARD), MOST_KEPT) : 0;
  }

  /** The probability of each class at a time. */
  posterior(now: number): number[] {
    const keep = this.#kept(now);
    return PRIORS.map((prior, c) => keep * this.#classes[c]! + (1 - keep) * prior);
  }

  clear(): void {
    this.#weights = undefined;
  }
}

interface Bucket {
  readonly at: number;
  n: number;
  k: number;
}

/** Counts answers, and late ones, over the last minutes. */
export class LossWindow {
  #buckets: Bucket[] = [];
  n = 0;
  k = 0;

  add(now: number, n: number, k: number): void {
    let last = this.#buckets.at(-1);
    if (!last || now - last.at >= BUCKET) {
      if (this.#buckets.length === BUCKETS) this.#drop(1);
      this.#buckets.push((last = { at: now, n: 0, k: 0 }));
    }
    last.n += n;
    last.k += k;
    this.n += n;
    this.k += k;
    this.expire(now);
    this.#split();
  }

  #drop(count: number): void {
    for (const b of this.#buckets.splice(0, count)) {
      this.n -= b.n;
      this.k -= b.k;
    }
  }

  expire(now: number): void {
    let old = 0;
    while (old < this.#buckets.length && now - this.#buckets[old]!.at > AGE) old++;
    this.#drop(old);
  }

  clear(): void {
    this.#drop(BUCKETS);
  }

  /** Takes back losses since a time: they were something else. */
  retract(since: number): void {
    for (const b of this.#buckets) {
      if (b.at + BUCKET <= since) continue;
      this.k -= b.k;
      b.k = 0;
    }
  }

  /** Forgets what lies before the newest change. */
  #split(): void {
    let n = 0;
    let k = 0;
    for (let i = this.#buckets.length - 1; i > 0; i--) {
      n += this.#buckets[i]!.n;
      k += this.#buckets[i]!.k;
      const [oldN, oldK] = [this.n - n, this.k - k];
      if (n < SPLIT_NEW || oldN < SPLIT_OLD) continue;
      if (2 * (likelihood(k, n) + likelihood(oldK, oldN) - likelihood(this.k, this.n)) <= SPLIT_AT) continue;
      this.#drop(i);
      return;
    }
  }

  /** The share of segments lost, and where it lies with 95% probability; of an answer, two may have been. */
  report(): { share: number; low: number; high: number } {
    if (!this.n) return { share: 0, low: 0, high: 0 };
    const z = 1.96;
    const m = this.n;
    const p = Math.min(this.k, m) / m;
    const middle = p + (z * z) / (2 * m);
    const half = z * Math.sqrt((p * (1 - p)) / m + (z * z) / (4 * m * m));
    const segments = (answers: number): number => 1 - Math.sqrt(1 - answers);
    return {
      share: segments(p),
      low: segments(Math.max(0, (middle - half) / (1 + (z * z) / m))),
      high: segments(Math.min(1, (middle + half) / (1 + (z * z) / m))),
    };
  }
}

function likelihood(k: number, n: number): number {
  if (k <= 0 || k >= n) return 0;
  return k * Math.log(k / n) + (n - k) * Math.log1p(-k / n);
}

/** The class by its probabilities, with patience for a better one. */
export function nextClass(now: number, post: readonly number[]): number {
  let worse = 0;
  let better = 0;
  let best = 0;
  for (let c = 0; c < CLASSES; c++) {
    if (c > now) worse += post[c]!;
    if (c < now) better += post[c]!;
    if (post[c]! > post[best]!) best = c;
  }
  return worse > 0.5 || better > 0.7 ? best : now;
}
