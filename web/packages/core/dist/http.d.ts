export interface Client {
    readonly url: string;
    readonly token: string;
    readonly fetch: typeof fetch | undefined;
}
export interface RequestOptions {
    readonly body?: BodyInit;
    readonly type?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal | undefined;
    /** No limit if left out. */
    readonly timeoutMs?: number;
}
/** The code of an answer that tells none. */
export declare const UNEXPECTED = "unexpected";
/** Asks the agent; rejects with an AgentError for no answer or one that isn't 2xx. With a body it is a POST. */
export declare function request(client: Client, path: string, options?: RequestOptions): Promise<Response>;
/** Whether a status says that this page isn't let in: the token, its origin, or the name by which it asks. */
export declare const isRefusal: (status: number) => boolean;
/** Reads a body of at most `limit` characters. */
export declare function readText(response: Response, limit: number): Promise<string>;
