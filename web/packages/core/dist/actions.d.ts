import type { Message } from './types.js';
/** What a page can ask of the client. Each rejects with an AgentError. */
export interface Actions {
    /**
     * Puts a message in the outbox. Give an id of your own (a UUID) to be able to repeat the call: one that is known is
     * answered again and changes nothing.
     */
    send(channel: string, text: string, id?: string): Promise<{
        readonly id: string;
        readonly durable: boolean;
    }>;
    /** Takes an entry out of the outbox; `conflict` if it is too late. */
    cancel(id: string): Promise<{
        readonly id: string;
        readonly state: string;
    }>;
    /** Tries a parked entry again. */
    retry(id: string): Promise<{
        readonly id: string;
        readonly state: string;
    }>;
    /** Hands a file over, to be sent with a message. Its way to the server is told in the snapshot's `uploads`. */
    upload(channel: string, file: Blob | Uint8Array<ArrayBuffer>, options?: {
        readonly name?: string;
        readonly text?: string;
        readonly signal?: AbortSignal;
    }): Promise<{
        readonly id: string;
    }>;
    /** Messages of a channel after a `seq`, oldest first. */
    history(channel: string, after?: number, limit?: number): Promise<readonly Message[]>;
}
/** An answer of the agent that isn't the one asked for, or none: `unreachable`, with status 0. */
export declare class AgentError extends Error {
    /** Stable, for programs: `unauthorized`, `not_found`, `conflict`, `too_large`, … */
    readonly code: string;
    readonly status: number;
    readonly name = "AgentError";
    constructor(
    /** Stable, for programs: `unauthorized`, `not_found`, `conflict`, `too_large`, … */
    code: string, status: number, message: string);
}
