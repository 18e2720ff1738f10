// How right a monitor was, as Go's quality/accuracy/score.go counts it.

/** After each change of the truth, and a start, nothing is asked for so long: Grace of quality/accuracy/score.go. */
export const GRACE_MS = 15_000;

/** The level of a round-trip time without loss. */
export const levelOf = (rttMs) => (rttMs < 50 ? 'excellent' : rttMs < 150 ? 'good' : rttMs < 300 ? 'fair' : 'poor');

/**
 * Compares samples, {at, level, reach}, with stretches of time in which the truth was known, {from, to, level, reach}.
 * What lies between two stretches, while the truth changed, isn't looked at. tookMs says for each stretch when it was told.
 */
export function score(samples, stretches) {
  const sum = { all: 0, allRight: 0, settled: 0, right: 0, tookMs: [] };
  for (const [i, { from, to, level, reach }] of stretches.entries()) {
    const isBack = i > 0 && stretches[i - 1].reach !== 'online';
    let took = null;
    for (const s of samples.filter(({ at }) => at >= from && at < to)) {
      const right = s.level === level && s.reach === reach;
      // The end of an outage is told by the reach: the level takes some round trips more.
      if (isBack ? s.reach === reach : right) took ??= s.at - from;
      sum.all++;
      sum.allRight += Number(right);
      if (s.at < from + GRACE_MS) continue;
      sum.settled++;
      sum.right += Number(right);
    }
    sum.tookMs.push(took);
  }
  return sum;
}

/** The share of the settled samples of all these that are right, in percent. */
export function together(scores) {
  const sum = (key) => scores.reduce((n, s) => n + s[key], 0);
  return (100 * sum('right')) / sum('settled');
}
