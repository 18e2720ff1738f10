// The round trips of Go's quality/rtt.go; why each number is what it is stands there.
import { erfc, MINUTE, MS, RTO_MIN, SECOND } from './units.js';

const SAMPLES = 64;
const HALF = 8 * SECOND;
const HALF_COUNT = 4;
export const RTT_AGE = MINUTE;
const CLUMP = 40 * MS;
const PRIOR_SIGMA = 0.12;
const PRIOR_WEIGHT = 4;
const LEAST_SIGMA = 0.05;
const MEDIAN_LOSS = 1.2533;
const SHIFT_LEAST = 3;
const SHIFT_MOST = 8;
const SHIFT_RATIO = 0.14;
const SHIFT_Z = 3.7;
const LATE_SHIFT = 4;

interface Trip {
  readonly at: number;
  readonly rtt: number;
  readonly log: number;
  /** Looks like a retransmission. */
  late: boolean;
  /** One that came together with it does. */
  held: boolean;
}

/** The last round trips. */
export class RTTWindow {
  #trips: Trip[] = [];
  #middle = 0; // logarithm of the weighted median
  #sigma = 0; // of the logarithm, robust
  #count = 0; // samples that this rests on, by weight

  get n(): number {
    return this.#trips.length;
  }

  get oldestAt(): number {
    return this.#trips[0]!.at;
  }

  get newestAt(): number {
    return this.#trips.at(-1)!.at;
  }

  /** Takes a round trip that ended at a time, and says whether it is a sample of its own, and whether it looks late. */
  add(at: number, rtt: number): { own: boolean; late: boolean } {
    const late = this.#isLate(rtt);
    const trip: Trip = { at, rtt, log: Math.log(rtt), late, held: false };
    let last = this.#trips.at(-1);
    if (last && at - last.at < CLUMP) {
      const counted = last.late || last.held;
      if (rtt < last.rtt) {
        this.#trips[this.n - 1] = last = trip;
        this.#measure();
      }
      last.held = counted || late;
      return { own: false, late: late && !counted };
    }
    if (this.n === SAMPLES) this.#trips.shift();
    this.#trips.push(trip);
    this.#measure();
    return { own: true, late };
  }

  #isLate(rtt: number): boolean {
    const usual = this.usual();
    return this.n > 0 && rtt > usual + Math.trunc(((usual + RTO_MIN) * 9) / 10);
  }

  /** Forgets what is older than an age. */
  expire(now: number, age: number): void {
    let old = 0;
    while (old < this.n && now - this.#trips[old]!.at > age) old++;
    if (!old) return;
    this.#trips.splice(0, old);
    this.#measure();
  }

  clear(): void {
    this.#trips = [];
    this.#measure();
  }

  #measure(): void {
    this.#middle = this.#sigma = this.#count = 0;
    if (!this.n) return;
    const newest = this.newestAt;
    const from = this.#trips[Math.max(this.n - 1 - HALF_COUNT, 0)]!;
    const half = Math.max(HALF, newest - from.at);
    const weighted = this.#trips.map((t): Weighted => [t.log, 2 ** (-(newest - t.at) / half)]);
    for (const [, w] of weighted) this.#count += w;
    this.#middle = weightedMedian(weighted);
    const off = weighted.map(([x, w]): Weighted => [Math.abs(x - this.#middle), w]);
    this.#sigma = shrunk(1.4826 * weightedMedian(off), this.#count);
  }

  /** Looks for a change point, and forgets what lies before it. */
  cut(): boolean {
    let late = 0;
    while (late < this.n && this.#trips[this.n - 1 - late]!.late) late++;
    const least = this.n > SHIFT_LEAST && late >= SHIFT_LEAST ? LATE_SHIFT : SHIFT_LEAST;
    for (let k = least; k <= SHIFT_MOST && k < this.n; k++) {
      if (!this.#shifted(k)) continue;
      this.#trips.splice(0, this.n - k);
      for (const trip of this.#trips) trip.late = false;
      this.#measure();
      return true;
    }
    return false;
  }

  /** Says whether the newest k are from another path than those before. */
  #shifted(k: number): boolean {
    const logs = this.#trips.map((t) => t.log);
    const old = logs.slice(0, -k).slice(-2 * SHIFT_MOST);
    const fresh = logs.slice(-k);
    const was = median(old);
    const up = fresh[0]! > was;
    if (fresh.some((log) => log > was !== up || Math.abs(log - was) < SHIFT_RATIO)) return false;
    const n = old.length;
    const off = old.map((log) => Math.abs(log - was)).sort(ascending);
    const sigma = shrunk(1.4826 * off[n >> 1]!, n);
    return Math.abs(median(fresh) - was) > SHIFT_Z * MEDIAN_LOSS * sigma * Math.sqrt(1 / k + 1 / n);
  }

  /** The weighted median. */
  usual(): number {
    return Math.trunc(Math.exp(this.#middle));
  }

  /** A standard deviation. */
  variation(): number {
    return Math.trunc(Math.exp(this.#middle) * this.#sigma);
  }

  /** What one sample in 20 exceeds. */
  tail(): number {
    const rtts = this.#trips.map((t) => t.rtt).sort(ascending);
    return rtts[Math.trunc((this.n * 19 + 19) / 20) - 1]!;
  }

  /** The probability that the path's usual time is less. */
  below(time: number): number {
    const spread = (MEDIAN_LOSS * this.#sigma) / Math.sqrt(Math.max(this.#count, 1));
    return time === Infinity ? 1 : 0.5 * erfc((this.#middle - Math.log(time)) / spread / Math.SQRT2);
  }
}

const ascending = (a: number, b: number): number => a - b;

function shrunk(sigma: number, n: number): number {
  const prior = PRIOR_WEIGHT * PRIOR_SIGMA * PRIOR_SIGMA;
  return Math.max(Math.sqrt((n * sigma * sigma + prior) / (n + PRIOR_WEIGHT)), LEAST_SIGMA);
}

type Weighted = readonly [value: number, weight: number];

function weightedMedian(all: Weighted[]): number {
  all = [...all].sort((a, b) => a[0] - b[0]);
  let sum = 0;
  for (const [, w] of all) sum += w;
  let part = 0;
  for (const [x, w] of all) if ((part += w) >= sum / 2) return x;
  return all.at(-1)![0];
}

function median(logs: readonly number[]): number {
  const sorted = [...logs].sort(ascending);
  const n = sorted.length;
  return n % 2 ? sorted[n >> 1]! : (sorted[n / 2 - 1]! + sorted[n / 2]!) / 2;
}
