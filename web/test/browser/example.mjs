import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const repo = fileURLToPath(new URL('../../../', import.meta.url));
const SHARED = '/shared/';
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/**
 * Serves the repository's files as they are, as any web server does. The example takes React from a CDN; `route` answers
 * for that with the React that is installed here, so that the test needs no internet.
 */
export async function serveExample() {
  const server = createServer(async (q, r) => {
    let path = normalize(decodeURIComponent(new URL(q.url, 'http://x').pathname));
    if (path.endsWith('/')) path += 'index.html';
    try {
      const body = await readFile(join(repo, path));
      r.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(body);
    } catch {
      r.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const react = await bundleReact();
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((done) => server.close(done)),
    route: (page) =>
      page.route('https://esm.sh/**', (route) => {
        const path = new URL(route.request().url()).pathname;
        const entry = /^\/react-dom@[\d.]+\/client$/.test(path) ? 'dom' : path.endsWith('/jsx-runtime') ? 'jsx' : 'react';
        const body = react.get(path.startsWith(SHARED) ? path.slice(SHARED.length) : `${entry}.js`);
        return route.fulfill({ contentType: 'text/javascript', headers: { 'Access-Control-Allow-Origin': '*' }, body });
      }),
  };
}

/** React as ES modules that share one copy. */
async function bundleReact() {
  const names = {
    react: ['react', 'Fragment StrictMode createElement createContext useContext useEffect useMemo useRef useState useSyncExternalStore'],
    dom: ['react-dom/client', 'createRoot'],
    jsx: ['react/jsx-runtime', 'jsx jsxs Fragment'],
  };
  const source = ([from, what]) =>
    `import m from '${from}'; ${what.split(' ').map((n) => `export const ${n} = m.${n};`).join(' ')} export default m;`;
  const result = await build({
    configFile: false,
    logLevel: 'error',
    root: fileURLToPath(new URL('.', import.meta.url)),
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: [
      {
        name: 'react-entries',
        resolveId: (id) => (id.startsWith('entry:') ? `\0${id}` : null),
        load: (id) => (id.startsWith('\0entry:') ? source(names[id.slice(7)]) : null),
      },
    ],
    build: {
      write: false,
      rolldownOptions: {
        input: Object.fromEntries(Object.keys(names).map((n) => [n, `entry:${n}`])),
        preserveEntrySignatures: 'strict',
        output: { entryFileNames: '[name].js', chunkFileNames: '[name].js' },
      },
    },
  });
  // The same module has to have the same address for each who imports it.
  return new Map(result.output.map((o) => [o.fileName, o.code.replace(/(["'`])\.\//g, `$1${SHARED}`)]));
}
