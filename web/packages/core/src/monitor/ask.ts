import type { Environment } from './environment.js';
import type { Cause } from './estimator.js';

/** The header that gives the query's c back. */
const CHALLENGE = 'Chatsdk-Challenge';

/** What came of a question: why it failed, or nothing if the server answered. */
export type Outcome = Cause | '';

/**
 * Asks an address, which has the challenge in its query, for a sign of life of the server: status 204, and the challenge
 * given back, so that neither a cache nor a portal passes for it. No redirect is followed, and no login sent. Whoever gives it
 * up by the signal knows better than what it returns then.
 */
export async function ask(
  env: Environment,
  address: string,
  challenge: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Outcome> {
  const timed = new AbortController();
  const end = (): void => timed.abort();
  const timer = env.setTimeout(end, timeoutMs);
  signal.addEventListener('abort', end);
  try {
    const response = await env.fetch(address, {
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'manual',
      referrerPolicy: 'no-referrer',
      signal: timed.signal,
    });
    const outcome = judge(response, challenge, address.startsWith('https:'));
    if (outcome) timed.abort(); // a page may be long
    return outcome;
  } catch {
    if (timed.signal.aborted) return 'timeout';
    // All that a page learns of a request that failed is that it did. Without a network it fails at once; with one,
    // somebody refused or cut it.
    return env.online() ? 'refused' : 'unreachable';
  } finally {
    env.clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}

/** What an answer means, as in Go's quality/httpcause.go: over TLS it is of the server's side, else it may be anybody's. */
function judge({ status, headers }: Response, challenge: string, secure: boolean): Outcome {
  const ours = headers.get(CHALLENGE) === challenge;
  if (status === 204 && ours) return '';
  if (secure) return 'server-error';
  if (status === 511) return 'portal'; // RFC 6585, section 6: only portals say it
  return status >= 500 || status === 429 || ours ? 'server-error' : 'portal';
}
