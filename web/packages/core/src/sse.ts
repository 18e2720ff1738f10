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
export class SSEParser {
  #rest = '';
  #size = 0;
  #type = '';
  #id: string | null = null;
  #data: string[] = [];

  constructor(
    readonly onEvent: (event: SSEvent) => void,
    readonly limit: number,
  ) {}

  push(text: string): void {
    const lines = text.split('\n');
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop()!;
    for (const line of lines) this.#line(line.endsWith('\r') ? line.slice(0, -1) : line);
    this.#bound(this.#rest.length);
  }

  #bound(more: number): void {
    if (this.#size + more > this.limit) throw new RangeError('event too long');
  }

  #line(line: string): void {
    if (!line) return this.#end();
    this.#bound(line.length);
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line)!;
    if (field === 'event') this.#type = value!;
    else if (field === 'id') this.#id = value!;
    else if (field === 'data') {
      this.#size += line.length;
      this.#data.push(value!);
    }
  }

  #end(): void {
    const event = { type: this.#type || 'message', id: this.#id, data: this.#data.join('\n') };
    const any = this.#type || this.#data.length;
    this.#type = '';
    this.#id = null;
    this.#data = [];
    this.#size = 0;
    if (any) this.onEvent(event);
  }
}
