import type { Environment } from './environment.js';
import type { Cause } from './estimator.js';
/** What came of a question: why it failed, or nothing if the server answered. */
export type Outcome = Cause | '';
/**
 * Asks an address, which has the challenge in its query, for a sign of life of the server: status 204, and the challenge
 * given back, so that neither a cache nor a portal passes for it. No redirect is followed, and no login sent. Whoever gives it
 * up by the signal knows better than what it returns then.
 */
export declare function ask(env: Environment, address: string, challenge: string, timeoutMs: number, signal: AbortSignal): Promise<Outcome>;
