import { LEVELS } from './levels.js';
import type { Level, Snapshot } from './types.js';

/** The one thing to tell people: a level while all is well, else what is wrong. */
export type Status =
  | Level
  | 'reconnecting'
  | 'suspended'
  | 'failed'
  | 'signed-out'
  | 'captive'
  | 'server-down'
  | 'agent-lost'
  | 'agent-refused'
  | 'agent-incompatible';

/**
 * statusOf picks what matters most: who can't hear the agent knows nothing else; a session that is over or a client
 * that gave up needs somebody to act; then what is reached, what the connection does, and last the level.
 */
export function statusOf(s: Snapshot): Status {
  const { agent, session, connection, quality } = s;
  if (agent === 'lost' || agent === 'refused' || agent === 'incompatible') return `agent-${agent}`;
  // Before an agent told anything, `none` is only what every store begins with.
  if (session.state === 'reauth-required' || (session.state === 'none' && s.run)) return 'signed-out';
  if (connection.state === 'failed' || session.state === 'config-error') return 'failed';
  if (quality.reach === 'captive' || quality.reach === 'server-down') return quality.reach;
  if (connection.state === 'suspended') return 'suspended';
  if (quality.level === 'offline' || quality.reach === 'offline') return 'offline';
  if (connection.state === 'reconnecting') return 'reconnecting';
  // A level that a newer agent may know, and this page doesn't, is no reason to show a good one.
  return Object.hasOwn(LEVELS, quality.level) ? quality.level : 'unknown';
}
