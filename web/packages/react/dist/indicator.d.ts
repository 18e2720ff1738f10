import type { Status } from '@chatsdk/core';
import type { HTMLAttributes, ReactElement } from 'react';
import type { LabelOverrides } from './labels.js';
export interface NetworkIndicatorProps extends Omit<HTMLAttributes<HTMLSpanElement>, 'children'> {
    /** Texts in place of the provider's. */
    readonly labels?: LabelOverrides;
    /** Shows the round-trip time. Defaults to true. */
    readonly showLatency?: boolean;
}
/**
 * The connection in a word, a figure and three bars. Style it by its data attributes (`data-status`, `data-bars`) and the
 * custom properties of style.css. It isn't a live region: the provider announces changes, once a page.
 */
export declare function NetworkIndicator(props: NetworkIndicatorProps): ReactElement;
/** The picture alone, for an indicator of your own: bars of three, and the status' sign. Not read out. */
export declare function SignalBars({ status, bars }: {
    readonly status: Status;
    readonly bars: number;
}): ReactElement;
