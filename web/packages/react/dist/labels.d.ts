import { type Status } from '@chatsdk/core';
/** The texts of one status. One without `next` has no banner. */
export interface StatusLabels {
    readonly label: string;
    /** What is being done about it, beside the indicator's label. */
    readonly detail?: string;
    /** For the banner: what happens next, or what to do. */
    readonly next?: string;
}
/** All texts. */
export interface Labels {
    /** What the labels are about, for those who hear them: "Connection: Good". */
    readonly connection: string;
    readonly status: Readonly<Record<Status, StatusLabels>>;
    readonly latency: (ms: number) => string;
    readonly retryIn: (seconds: number) => string;
    readonly retrying: string;
    readonly waiting: (messages: number) => string;
    readonly signIn: string;
    readonly retryNow: string;
}
/** Texts that replace some of the others. */
export type LabelOverrides = Partial<Omit<Labels, 'status'>> & {
    readonly status?: {
        readonly [S in Status]?: Partial<StatusLabels>;
    };
};
export declare const defaultLabels: Labels;
/** withLabels puts some texts over others. */
export declare function withLabels<T extends object>(labels: T, over: object | undefined): T;
