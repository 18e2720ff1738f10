import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { Estimator, type Refusal, type Sample } from '@chatsdk/core/monitor';
import { IN_NS, SUMS, Trace } from './trace.ts';

// What Go's estimator answered: written and kept true by quality/vectors_test.go.
const file = new URL('vectors/quality.json.gz', import.meta.url);
const vectors = JSON.parse(gunzipSync(readFileSync(file)).toString()) as {
  readonly states: readonly string[];
  readonly sums: readonly string[];
  readonly traces: readonly { readonly states: string; readonly sums: readonly number[] }[];
};

/** What of a sum has to be the same: exp and log differ in their last digits from one language to the other. */
const DIGITS = 1e-11;

test('the estimator answers as Go’s does, at each step of each trace', { timeout: 120_000 }, () => {
  expect(vectors.traces.length).toBeGreaterThanOrEqual(2000);
  expect(vectors.sums).toEqual(SUMS);
  let steps = 0;
  let worst = 0;
  const wrong: string[] = [];
  vectors.traces.forEach((want, seed) => {
    const got = new Trace(seed);
    const states = [...want.states].map((c) => vectors.states[c.codePointAt(0)! - 35]!);
    const at = got.states.findIndex((state, i) => state !== states[i]);
    steps += states.length;
    if (at >= 0 || got.states.length !== states.length) {
      wrong.push(`trace ${seed}, step ${at} of ${states.length}: ${got.states[at]}, want ${states[at]}`);
      return;
    }
    want.sums.forEach((sum, i) => {
      // Times are cut off to whole ns: what is just below one, and just above it, differs by one.
      const slack = IN_NS.has(SUMS[i]!) ? states.length : 1e-14 * states.length;
      const off = Math.abs(got.sums[i]! - sum);
      if (!IN_NS.has(SUMS[i]!) && sum) worst = Math.max(worst, off / Math.abs(sum));
      if (!(off <= DIGITS * Math.abs(sum) + slack)) wrong.push(`trace ${seed}: ${SUMS[i]} ${got.sums[i]}, want ${sum}`);
    });
  });
  console.log(`${vectors.traces.length} traces, ${steps} steps; shares and confidence differ by ${worst.toExponential(1)} at most`);
  expect(wrong.length, wrong.slice(0, 5).join('\n')).toBe(0);
});

/** Mistakes that somebody could make in one of the two estimators. */
const MISTAKES: Record<string, (e: Estimator, s: Sample) => Sample> = {
  'a late timer is silence': (_, s) => (s.kind === 'late' ? { ...s, took: 0 } : s),
  'a new connection is a round trip': (_, s) => ({ ...s, fresh: false }),
  'a portal refuses': (_, s) => (s.cause === 'portal' ? { ...s, cause: 'refused' } : s),
  'ends are lost': (_, s) => (s.kind === 'end' ? { ...s, id: 0 } : s),
  'all is of the server’s': (_, s) => ({ ...s, server: 0 }),
  'a round trip is longer by 8 ns': (_, s) => (s.rtt! > 0 ? { ...s, rtt: s.rtt! + 8 } : s),
};

test.each(Object.entries(MISTAKES))('the traces show it: %s', (_, mistake) => {
  class Wrong extends Estimator {
    override observe(s: Sample): Refusal {
      return super.observe(mistake(this, s));
    }
  }
  const seeds = Array.from({ length: 40 }, (_, seed) => seed);
  const differs = (seed: number): boolean => {
    const want = vectors.traces[seed]!;
    const got = new Trace(seed, (effort) => new Wrong(effort));
    const states = [...want.states].map((c) => vectors.states[c.codePointAt(0)! - 35]!);
    const rtt = Math.abs(got.sums[0]! - want.sums[0]!);
    return String(got.states) !== String(states) || rtt > DIGITS * want.sums[0]! + states.length;
  };
  expect(seeds.filter(differs).length).toBeGreaterThan(2);
});
