import { type ReactElement } from 'react';
/**
 * What there is to announce of the connection: what was so for `afterMs`, empty before anything was. For a page with a live
 * region of its own; every other page leaves it to the provider.
 */
export declare function useAnnouncement(afterMs?: number): string;
/** The page's live region (WCAG 4.1.3). It is there, empty, before it has something to say: else the first is missed. */
export declare function Announcer({ afterMs }: {
    readonly afterMs: number | undefined;
}): ReactElement;
