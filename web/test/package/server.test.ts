import { fileURLToPath } from 'node:url';
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

// A process of its own, as a test runner has put things in the globals, and Node's own loader, as a server has it.
const script = `
import { createElement as h } from 'react';
import { renderToString } from 'react-dom/server';
renderToString(h('p'));
const touched = [];
const names = ['window', 'document', 'navigator', 'location', 'history', 'localStorage', 'sessionStorage', 'fetch', 'self',
  'setTimeout', 'setInterval', 'addEventListener', 'matchMedia', 'crypto', 'performance', 'EventSource', 'process', 'indexedDB'];
for (const name of names) {
  const value = globalThis[name];
  Object.defineProperty(globalThis, name, { configurable: true, get() {
    if (/packages\\/(core|react)\\/dist/.test(new Error().stack)) touched.push(name);
    return value;
  } });
}
const { AgentStore, statusOf } = await import('@chatsdk/core');
const { BrowserMonitor } = await import('@chatsdk/core/monitor');
const { ChatSDKProvider, NetworkIndicator, ConnectionBanner, useConnection, useOutbox, useUpload, useNetworkQuality } = await import('@chatsdk/react');
function Hooks() {
  useConnection(); useOutbox(); useUpload('x');
  return useNetworkQuality().level;
}
const store = new AgentStore({ url: 'http://127.0.0.1:1', token: 't' });
statusOf(store.getSnapshot());
const monitor = new BrowserMonitor();
const html = renderToString(h(ChatSDKProvider, { store }, h(NetworkIndicator), h(ConnectionBanner), h(Hooks)));
const other = renderToString(h(ChatSDKProvider, { store: monitor }, h(NetworkIndicator)));
if (process.argv[1] === 'start') { store.start(); store.stop(); }
if (process.argv[1] === 'monitor') {
  const here = new BrowserMonitor({ pingUrl: 'http://127.0.0.1:1/ping' });
  here.start();
  here.stop();
}
console.log(JSON.stringify({ touched, html, other }));
`;

const node = (...args: string[]): { touched: string[]; html: string; other: string } =>
  JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', script, ...args], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      encoding: 'utf8',
    }),
  );

test('a server renders all of it and nothing touches a global; nothing keeps the process alive', () => {
  const { touched, html, other } = node();
  expect(touched).toEqual([]);
  expect(html).toContain('Checking…');
  expect(html).toContain('data-status="unknown"');
  expect(html).toContain('role="status"');
  expect(other).toContain('Checking…');
});

test('and the trap does catch: a store at work uses fetch and timers', () => {
  expect(node('start').touched).toEqual(expect.arrayContaining(['fetch', 'setTimeout']));

  expect(node('monitor').touched).toEqual(expect.arrayContaining(['fetch', 'setTimeout', 'crypto', 'performance', 'document']));
});
