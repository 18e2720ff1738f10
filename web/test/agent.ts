import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/**
 * A local agent as the tests need it: the real protocol over real HTTP, and each fault on demand. It holds one snapshot
 * and a ring of events; nothing of it talks to a chat server.
 */
export class TestAgent {
  token = 'secret';
  schema = 1;
  run = 'run-1';
  seq = 0;
  /** Answers nothing at all while true: requests hang. */
  hang = false;
  /** Without it, pages of other origins are refused, as by an agent without --allow-origin. */
  allowsOrigin = true;
  /** Replaces the answer to a path. */
  override: Record<string, (q: IncomingMessage, r: ServerResponse) => void> = {};
  /** Each request, as `METHOD /path`. */
  requests: string[] = [];
  bodies: unknown[] = [];
  /** What `/v1/messages` has. */
  messages: { channel: string; seq: number; id: string; user: string; text: string; time: string }[] = [];
  snapshot: Record<string, unknown> = {
    version: 'test',
    server: 'https://chat.example',
    session: { state: 'fresh', reason: '', user: 'ada', device: 'd' },
    quality: { level: 'excellent', reach: 'online', reason: 'rtt', rttMs: 12.5, lossPct: 0, confidence: 0.97 },
    connection: { state: 'connected', synced: true, since: null, reason: '', error: '', attempt: 0, retryAt: null },
    outbox: { durable: true, queued: 0, blocked: {}, entries: [] },
    uploads: [],
    channels: { general: { synced: true, received: 1, processed: 1, newest: 1 } },
  };
  readonly streams = new Set<ServerResponse>();
  #ring: { id: number; text: string }[] = [];
  #server: Server | undefined;
  #sockets = new Set<Socket>();
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<this> {
    this.#server = createServer((q, r) => this.serve(q, r));
    this.#server.on('connection', (s) => {
      this.#sockets.add(s);
      s.on('close', () => this.#sockets.delete(s));
    });
    await new Promise<void>((done) => this.#server!.listen(this.#port, '127.0.0.1', done));
    this.#port = (this.#server!.address() as AddressInfo).port;
    return this;
  }

  /** Ends as a killed process does. */
  async stop(): Promise<void> {
    const closed = new Promise((done) => this.#server?.close(done));
    for (const s of this.#sockets) s.destroy();
    this.streams.clear();
    await closed;
  }

  /** Forgets all and is another run. */
  restartAs(run: string): void {
    this.run = run;
    this.seq = 0;
    this.#ring = [];
  }

  change(patch: Record<string, unknown>): void {
    Object.assign(this.snapshot, patch);
    this.event('change', patch);
  }

  /** A message of the channel: told, and kept for `/v1/messages`. */
  message(channel: string, seq: number, text = 'hi', id = `m${seq}`, user = 'bob'): void {
    const message = { channel, seq, id, user, text, time: '2026-11-30T10:00:00.000Z' };
    this.messages.push(message);
    this.event('message', message);
  }

  /** Calls back for each message that is sent. */
  onSend: (message: { channel: string; text: string; id: string }) => void = () => {};

  event(type: string, data: unknown): void {
    this.seq++;
    const text = `event: ${type}\nid: ${this.seq}\ndata: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
    this.#ring.push({ id: this.seq, text });
    if (this.#ring.length > 1024) this.#ring.shift();
    this.raw(text);
  }

  /** Forgets events, so that nobody can take up from them. */
  forget(): void {
    this.#ring = [];
  }

  /** Writes to every stream as it is. */
  raw(text: string): void {
    for (const s of this.streams) s.write(text);
  }

  endStreams(): void {
    for (const s of this.streams) s.end();
    this.streams.clear();
  }

  serve(q: IncomingMessage, r: ServerResponse): void {
    const url = new URL(q.url!, 'http://agent');
    if (!this.allowsOrigin) {
      this.requests.push(`${q.method} ${url.pathname}`);
      return problem(r, 403, 'foreign_origin', 'pages of another origin may not ask');
    }
    r.setHeader('Access-Control-Allow-Origin', '*');
    r.setHeader('Access-Control-Allow-Headers', 'authorization, content-type');
    if (q.method === 'OPTIONS') return void r.writeHead(204).end();
    this.requests.push(`${q.method} ${url.pathname}`);
    if (this.hang) return;
    const override = this.override[url.pathname];
    if (override) return override(q, r);
    if (q.headers.authorization !== `Bearer ${this.token}`) return problem(r, 401, 'unauthorized', 'the token is wrong');
    if (url.pathname === '/v1/state') return json(r, 200, this.#state());
    if (url.pathname === '/v1/events') return this.#events(url, r);
    if (q.method === 'POST') return this.#post(url, q, r);
    if (url.pathname === '/v1/messages') {
      const { channel, after, limit } = Object.fromEntries(url.searchParams);
      const found = this.messages.filter((m) => m.channel === channel && m.seq > Number(after));
      return json(r, 200, { messages: found.slice(0, Number(limit)) });
    }
    problem(r, 404, 'not_found', 'no such thing');
  }

  #state(): unknown {
    return { schema: this.schema, run: this.run, seq: this.seq, time: new Date().toISOString(), ...this.snapshot };
  }

  #events(url: URL, r: ServerResponse): void {
    r.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    const hello = { schema: this.schema, run: this.run, version: 'test', seq: this.seq };
    r.write(`event: hello\ndata: ${JSON.stringify(hello)}\n\n`);
    const after = Number(url.searchParams.get('after'));
    const missed = this.#ring.filter((e) => e.id > after);
    if (url.searchParams.get('run') !== this.run || missed.length !== this.seq - after) r.write('event: gap\n\n');
    else for (const e of missed) r.write(e.text);
    this.streams.add(r);
    const beats = setInterval(() => r.write(': beat\n\n'), 5000);
    r.on('close', () => {
      clearInterval(beats);
      this.streams.delete(r);
    });
  }

  #post(url: URL, q: IncomingMessage, r: ServerResponse): void {
    const chunks: Buffer[] = [];
    q.on('data', (c: Buffer) => chunks.push(c));
    q.on('end', () => {
      const body = Buffer.concat(chunks);
      this.bodies.push({ type: q.headers['content-type'], query: url.search, text: body.toString() });
      const [, , , id, verb] = url.pathname.split('/');
      if (url.pathname === '/v1/uploads') return json(r, 202, { id: 'u1' });
      if (url.pathname === '/v1/messages') {
        const message = { id: 'm1', ...JSON.parse(body.toString()) };
        json(r, 202, { id: message.id, durable: true });
        return this.onSend(message);
      }
      if (id === 'gone') return problem(r, 404, 'not_found', 'no such entry');
      json(r, 200, { id: decodeURIComponent(id!), state: verb === 'cancel' ? 'cancelled' : 'queued' });
    });
  }
}

function json(r: ServerResponse, status: number, body: unknown): void {
  r.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

function problem(r: ServerResponse, status: number, code: string, detail: string): void {
  r.writeHead(status, { 'Content-Type': 'application/problem+json' });
  r.end(JSON.stringify({ type: 'about:blank', title: code, status, code, detail }));
}
