import type { ReactElement, ReactNode } from 'react';
import type { DemoStore } from './store.js';
import { useBusy } from './use.js';

interface Props {
  readonly demo: DemoStore;
  /** What it asks for, as it is told when it is done. */
  readonly does: string;
  readonly path: string;
  readonly body?: object;
  /** Whether what it switches is on; left out for what is no switch. */
  readonly on?: boolean;
  readonly hint?: string;
  /** Nothing to do at the moment. */
  readonly idle?: boolean;
  readonly kind?: 'main' | undefined;
  readonly children: ReactNode;
}

/**
 * A button that asks the demo for something. It does nothing while the demo isn't there or is busy with another call, but
 * stays where the keyboard is: a button that is disabled loses it.
 */
export function Ask({ demo, does, path, body, on, hint, idle, kind, children }: Props): ReactElement {
  const off = useBusy(demo) || Boolean(idle);
  return (
    <button
      type="button"
      aria-disabled={off}
      aria-pressed={on}
      title={hint}
      data-kind={kind}
      onClick={() => {
        if (!off) void demo.post(does, path, body);
      }}
    >
      {children}
    </button>
  );
}
