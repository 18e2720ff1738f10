import type { IncomingMessage, ServerResponse } from 'node:http';

/** The demo's API as the tests need it: it keeps what it is told, plays nothing, and has each fault on request. */
export class TestDemo {
  token = 'secret';
  seq = 1;
  /** Each request, as `METHOD /path`. */
  requests: string[] = [];
  bodies: { path: string; body: Record<string, unknown> }[] = [];
  /** How many requests are under way, and the most that ever were. */
  open = 0;
  most = 0;
  /** Answers nothing at all while true: requests hang. */
  hang = false;
  /** POSTs wait for this. */
  slow: Promise<unknown> = Promise.resolve();
  /** Replaces the answer to a path. */
  override: Record<string, (q: IncomingMessage, r: ServerResponse) => void> = {};
  state: Record<string, unknown> & { clients: { name: string; link: Record<string, unknown> }[] } = {
    schema: 1,
    run: 'run-1',
    talk: false,
    server: { running: true, stored: 2 },
    clients: ['ada', 'bob'].map((name) => ({
      name,
      path: `/${name}`,
      shown: 2,
      link: { latencyMs: 60, lossPct: 0, rateKbps: 0, cut: false, portal: false },
      busyUntil: null,
    })),
    scenarios: [
      { id: '1', name: 'slow network', why: 'Latency, loss and little bandwidth: everything takes longer, nothing is lost.' },
      { id: '2', name: 'link goes up and down', why: 'Cuts of a few seconds, again and again.' },
      { id: '1-hard', of: '1', name: 'slower network', why: 'The same at the edge of what is usable.' },
    ],
    play: null,
  };

  change(patch: Record<string, unknown>): void {
    Object.assign(this.state, patch);
    this.seq++;
  }

  serve(q: IncomingMessage, r: ServerResponse): void {
    const url = new URL(q.url!, 'http://demo');
    this.requests.push(`${q.method} ${url.pathname}`);
    this.most = Math.max(this.most, ++this.open);
    r.on('close', () => this.open--);
    if (this.hang) return;
    const override = this.override[url.pathname];
    if (override) return override(q, r);
    if (q.headers.authorization !== `Bearer ${this.token}`) return refuse(r, 401, 'unauthorized', 'the token is wrong');
    if (q.method === 'POST') return this.#post(url.pathname, q, r);
    if (q.headers['if-none-match'] === this.#etag()) return void r.writeHead(304, { ETag: this.#etag() }).end();
    this.#answer(r, 200);
  }

  #post(path: string, q: IncomingMessage, r: ServerResponse): void {
    const chunks: Buffer[] = [];
    q.on('data', (c: Buffer) => chunks.push(c));
    q.on('end', async () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
      this.bodies.push({ path, body });
      await this.slow;
      const [, , , name, verb] = path.split('/');
      const client = this.state.clients.find((c) => c.name === name);
      if (verb === 'link') Object.assign(client!.link, body);
      if (path === '/v1/server') Object.assign(this.state['server'] as object, body);
      if (path === '/v1/talk') this.state['talk'] = body['on'];
      this.seq++;
      this.#answer(r, path === '/v1/play' ? 202 : 200);
    });
  }

  #answer(r: ServerResponse, status: number): void {
    r.writeHead(status, { 'Content-Type': 'application/json', ETag: this.#etag() });
    r.end(JSON.stringify({ seq: this.seq, ...this.state }));
  }

  #etag(): string {
    return `"${String(this.state['run'])}-${this.seq}"`;
  }
}

/** Answers with a problem. */
export function refuse(r: ServerResponse, status: number, code: string, detail: string): void {
  r.writeHead(status, { 'Content-Type': 'application/problem+json' });
  r.end(JSON.stringify({ type: 'about:blank', title: code, status, code, detail }));
}
