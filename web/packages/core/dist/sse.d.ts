/** One event of a stream. Without an `id:` line its id is null. */
export interface SSEvent {
    readonly type: string;
    readonly id: string | null;
    readonly data: string;
}
/**
 * Takes a text/event-stream (WHATWG HTML, section 9.2) in pieces and calls back for each event that has data or a name.
 * Lines end with LF or CRLF. Holds no more than `limit` characters of an event that isn't complete; throws a RangeError
 * for one that is longer.
 */
export declare class SSEParser {
    #private;
    readonly onEvent: (event: SSEvent) => void;
    readonly limit: number;
    constructor(onEvent: (event: SSEvent) => void, limit: number);
    push(text: string): void;
}
