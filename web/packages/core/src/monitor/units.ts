// Times are whole nanoseconds, as in Go's package quality, which this is held equal to: a double keeps them exact for 104
// days, and where Go divides whole numbers, this cuts off too.
export const MS = 1e6;
export const SECOND = 1e9;
export const MINUTE = 60 * SECOND;
/** A time before all others. */
export const NEVER = -Infinity;
/** What a retransmission timeout adds to the round trip, on Linux. */
export const RTO_MIN = 200 * MS;

/** 1 - erf(x), to 15 digits after the point; JavaScript has none of its own. */
export function erfc(x: number): number {
  if (Math.abs(x) > 6) return x > 0 ? 0 : 2;
  // Abramowitz and Stegun, 7.1.6: terms of one sign, so that nothing cancels out.
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) sum += term *= (2 * x * x) / (2 * n + 1);
  return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
