/** How much effort knowing the network is worth, in ms. What is left out is as in the foreground. */
export interface Effort {
  /** How long nothing may be heard while online before a probe is made. */
  readonly probeIntervalMs?: number;
  /** The time between probes while nothing is reached, in the first `offlineForMs`; then half as long again each time. */
  readonly offlineIntervalMs?: number;
  readonly offlineForMs?: number;
  readonly offlineMostMs?: number;
  /** The same behind a portal, or without a server. */
  readonly awayIntervalMs?: number;
  readonly awayForMs?: number;
  readonly awayMostMs?: number;
  /** How long silence beyond the time of an answer is borne, at least, before it is called offline. */
  readonly patienceMs?: number;
  /** How old evidence may be; without a younger one, all is unknown. */
  readonly staleAfterMs?: number;
}

/** For somebody who looks at the page. */
export const FOREGROUND = {
  probeIntervalMs: 500,
  offlineIntervalMs: 500,
  offlineForMs: 600_000,
  offlineMostMs: 1000,
  awayIntervalMs: 1000,
  awayForMs: 10_000,
  awayMostMs: 10_000,
  patienceMs: 1000,
  staleAfterMs: 30_000,
} as const satisfies Effort;

/** For a page that nobody sees. */
export const BACKGROUND = {
  probeIntervalMs: 10_000,
  offlineIntervalMs: 1000,
  offlineForMs: 180_000,
  offlineMostMs: 10_000,
  awayIntervalMs: 10_000,
  awayForMs: 10_000,
  awayMostMs: 60_000,
  patienceMs: 2000,
  staleAfterMs: 60_000,
} as const satisfies Effort;

/** No probes closer together than this: a mistake in the options is not to become a flood. */
const LEAST_MS = 100;

/** Fills an effort, and makes it sane: evidence lasts for three intervals at least. */
export function filled(effort: Effort): Required<Effort> {
  const f: Record<string, number> = { ...FOREGROUND };
  for (const [key, ms] of Object.entries(effort)) if (ms > 0 && ms < Infinity) f[key] = ms;
  for (const key of ['probeIntervalMs', 'offlineIntervalMs', 'awayIntervalMs']) f[key] = Math.max(f[key]!, LEAST_MS);
  f['staleAfterMs'] = Math.max(f['staleAfterMs']!, 3 * f['probeIntervalMs']!);
  return f as unknown as Required<Effort>;
}
