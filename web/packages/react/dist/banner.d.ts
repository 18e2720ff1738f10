import { type HTMLAttributes, type ReactElement } from 'react';
import type { LabelOverrides } from './labels.js';
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
/** Says why there is no connection and what happens next, when an outage lasts. Renders nothing while all is well. */
export declare function ConnectionBanner(props: ConnectionBannerProps): ReactElement | null;
