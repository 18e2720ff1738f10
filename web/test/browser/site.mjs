// The pages as they are built, under the policy that the agent and the demo serve them with.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../../apps/dashboard/dist/', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.txt': 'text/plain' };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Serves the page at one origin, and each agent, or the demo, under its name. */
export async function serve(apis) {
  const server = createServer(async (q, r) => {
    const [, name, rest] = /^\/([^/?]*)(.*)$/s.exec(q.url);
    if (apis[name]) {
      q.url = rest;
      return apis[name].serve(q, r);
    }
    const file = name || 'index.html';
    try {
      const body = await readFile(join(dist, file));
      r.writeHead(200, { 'Content-Type': TYPES[extname(file)], 'Content-Security-Policy': POLICY }).end(body);
    } catch {
      r.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => (server.closeAllConnections(), server.close()),
  };
}
