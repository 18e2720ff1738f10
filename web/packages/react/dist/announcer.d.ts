import { type ReactElement } from 'react';
/** The page's live region (WCAG 4.1.3). It is there, empty, before it has something to say: else the first is missed. */
export declare function Announcer({ afterMs }: {
    readonly afterMs: number;
}): ReactElement;
