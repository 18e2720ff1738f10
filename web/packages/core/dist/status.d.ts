import type { Level, Snapshot } from './types.js';
/** The one thing to tell people: a level while all is well, else what is wrong. */
export type Status = Level | 'reconnecting' | 'suspended' | 'failed' | 'signed-out' | 'captive' | 'server-down' | 'agent-lost' | 'agent-refused' | 'agent-incompatible';
/**
 * statusOf picks what matters most: who can't hear the agent knows nothing else; a session that is over or a client
 * that gave up needs somebody to act; then what is reached, what the connection does, and last the level.
 */
export declare function statusOf(s: Snapshot): Status;
