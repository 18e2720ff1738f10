import { statusOf, type Snapshot, type Status } from '@chatsdk/core';
import { useEffect, useState, type HTMLAttributes, type ReactElement } from 'react';
import { connectionOf } from './hooks.js';
import type { LabelOverrides } from './labels.js';
import { useLabels, useSnapshot, useStore } from './store.js';

export interface ConnectionBannerProps extends Omit<HTMLAttributes<HTMLDivElement>, 'children'> {
  /**
   * How long an outage has to last before the banner appears, in ms: most are over in a second. What doesn't pass by
   * itself, such as the end of a session, is shown at once. Defaults to 5000.
   */
  readonly delayMs?: number;
  /** Called by the button that is shown to who is signed out; without it there is none. */
  readonly onSignIn?: () => void;
  /** Texts in place of the provider's. */
  readonly labels?: LabelOverrides;
}

/** What only somebody's doing can end. */
const URGENT = /^(signed-out|failed|agent-refused|agent-incompatible)$/;
const AGENT = /^agent/;

/** Says why there is no connection and what happens next, when an outage lasts. Renders nothing while all is well. */
export function ConnectionBanner(props: ConnectionBannerProps): ReactElement | null {
  const { delayMs = 5000, onSignIn, labels: over, className = '', ...rest } = props;
  const labels = useLabels(over);
  const { retryNow } = useStore();
  const { status, retryAt, waiting, error } = useSnapshot(factsOf);
  const { label, next } = labels.status[status];
  const lasted = useLasting(!!next, delayMs);
  const shown = next && (lasted || URGENT.test(status));
  const seconds = useSeconds(shown ? retryAt : null);
  if (!shown) return null;
  const signedOut = status === 'signed-out';
  const act = signedOut ? onSignIn : AGENT.test(status) && retryNow;
  return (
    <div {...rest} className={`chatsdk-banner ${className}`} data-status={status}>
      <strong className="chatsdk-title">{label}</strong>{' '}
      <span className="chatsdk-next">{next}</span>{' '}
      {status === 'failed' && error && <span className="chatsdk-error">{error} </span>}
      {seconds !== null && (
        <span className="chatsdk-retry">{seconds > 0 ? labels.retryIn(seconds) : labels.retrying} </span>
      )}
      {waiting > 0 && <span className="chatsdk-waiting">{labels.waiting(waiting)} </span>}
      {act && (
        <button type="button" onClick={() => act()}>
          {signedOut ? labels.signIn : labels.retryNow}
        </button>
      )}
    </div>
  );
}

function factsOf(s: Snapshot): { status: Status; retryAt: number | null; waiting: number; error: string } {
  const status = statusOf(s);
  // Of an agent that isn't heard, what waits isn't known. One that is lost is tried each two seconds: no countdown.
  const deaf = AGENT.test(status);
  const tried = !deaf && !URGENT.test(status);
  return {
    status,
    retryAt: tried ? connectionOf(s).retryAt : null,
    waiting: deaf ? 0 : s.outbox.queued + s.outbox.sending,
    error: s.connection.error,
  };
}

/** True once something has been so for a time without a break; for an instant longer than it is so. */
function useLasting(on: boolean, ms: number): boolean {
  const [lasted, setLasted] = useState(false);
  useEffect(() => {
    if (!on) return;
    const timer = setTimeout(() => setLasted(true), ms);
    return () => {
      clearTimeout(timer);
      setLasted(false);
    };
  }, [on, ms]);
  return lasted;
}

/** Whole seconds until a time, rounded up; null without one. */
function useSeconds(at: number | null): number | null {
  const [left, setLeft] = useState<number | null>(null);
  useEffect(() => {
    if (!at) return;
    const look = (): void => setLeft(Math.max(0, Math.ceil((at - Date.now()) / 1000)));
    look();
    const timer = setInterval(look, 250); // a coarser one would skip a second now and then
    return () => clearInterval(timer);
  }, [at]);
  return at && left;
}
