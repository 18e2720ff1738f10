/** How much effort knowing the network is worth, in ms. What is left out is as in the foreground. */
export interface Effort {
    /** How long nothing may be heard while online before a probe is made. */
    readonly probeIntervalMs?: number;
    /** The time between probes while nothing is reached, in the first `offlineForMs`; then half as long again each time. */
    readonly offlineIntervalMs?: number;
    readonly offlineForMs?: number;
    readonly offlineMostMs?: number;
    /** The same behind a portal, or without a server. */
    readonly awayIntervalMs?: number;
    readonly awayForMs?: number;
    readonly awayMostMs?: number;
    /** How long silence beyond the time of an answer is borne, at least, before it is called offline. */
    readonly patienceMs?: number;
    /** How old evidence may be; without a younger one, all is unknown. */
    readonly staleAfterMs?: number;
}
/** For somebody who looks at the page. */
export declare const FOREGROUND: {
    readonly probeIntervalMs: 500;
    readonly offlineIntervalMs: 500;
    readonly offlineForMs: 600000;
    readonly offlineMostMs: 1000;
    readonly awayIntervalMs: 1000;
    readonly awayForMs: 10000;
    readonly awayMostMs: 10000;
    readonly patienceMs: 1000;
    readonly staleAfterMs: 30000;
};
/** For a page that nobody sees. */
export declare const BACKGROUND: {
    readonly probeIntervalMs: 10000;
    readonly offlineIntervalMs: 1000;
    readonly offlineForMs: 180000;
    readonly offlineMostMs: 10000;
    readonly awayIntervalMs: 10000;
    readonly awayForMs: 10000;
    readonly awayMostMs: 60000;
    readonly patienceMs: 2000;
    readonly staleAfterMs: 60000;
};
/** Fills an effort, and makes it sane: evidence lasts for three intervals at least. */
export declare function filled(effort: Effort): Required<Effort>;
