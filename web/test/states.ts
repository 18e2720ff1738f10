import type { SnapshotPatch, Status } from '@chatsdk/core';
import { states } from '../apps/dashboard/src/states.ts';

/** What an indicator has to make of a state. */
interface Want {
  readonly status: Status;
  readonly text: string;
  readonly bars: number;
  /** States of one group may look alike but for their words. */
  readonly group?: string;
}

/** A state that a page can be in: what a store holds, and what an indicator makes of it. */
export interface State extends Want {
  readonly name: string;
  readonly patch: SnapshotPatch;
}

const WANT: Readonly<Record<string, Want>> = {
  excellent: { status: 'excellent', text: 'Excellent10 ms', bars: 3 },
  good: { status: 'good', text: 'Good80 ms', bars: 2 },
  fair: { status: 'fair', text: 'Fair210 ms', bars: 1 },
  poor: { status: 'poor', text: 'Poor640 ms', bars: 0, group: '!' },
  unknown: { status: 'unknown', text: 'Checking…', bars: 0, group: '?' },
  // The path is good; the words say what isn't.
  reconnecting: { status: 'reconnecting', text: 'Reconnecting…', bars: 2, group: 'good' },
  offline: { status: 'offline', text: 'OfflineReconnecting…', bars: 0, group: 'x' },
  suspended: { status: 'suspended', text: 'OfflineStill trying…', bars: 0, group: 'x' },
  failed: { status: 'failed', text: 'Connection failed', bars: 0, group: 'x' },
  'signed out': { status: 'signed-out', text: 'Signed out', bars: 0, group: '!' },
  'captive portal': { status: 'captive', text: 'Network sign-in needed', bars: 0, group: '!' },
  'server down': { status: 'server-down', text: 'Server not answeringReconnecting…', bars: 0, group: '!' },
  'agent lost': { status: 'agent-lost', text: 'Chat program not running', bars: 0, group: '?' },
  'agent refused': { status: 'agent-refused', text: 'Page not let in', bars: 0, group: '?' },
  'agent incompatible': { status: 'agent-incompatible', text: 'Versions differ', bars: 0, group: '?' },
};

export const STATES: readonly State[] = states.map(({ name, patch }) => {
  const want = WANT[name];
  if (!want) throw new Error(`no expectation for ${name}`);
  return { name, patch, ...want };
});
