import type { Environment } from './environment.js';
import type { Cause } from './estimator.js';
/** What came of a question: why it failed, or nothing if the server answered; null if it was given up. */
export type Outcome = Cause | '' | null;
/**
 * Asks the server for a sign of life: status 204, and the challenge given back, so that neither a cache nor a portal
 * passes for it. No redirect is followed, and no login sent. The page's own signal gives it up.
 */
export declare function ask(env: Environment, url: string, timeoutMs: number, signal: AbortSignal): Promise<Outcome>;
