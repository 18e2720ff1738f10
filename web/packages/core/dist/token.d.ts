/**
 * Takes the agent's token out of the page's address (`#token=…`), so that it can't be copied from there or kept in the
 * history, and remembers it for this tab, so that the page can be loaded again. Null if there is none.
 */
export declare function takeToken(key?: string): string | null;
