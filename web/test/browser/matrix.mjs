// Whether the browser's monitor is right on paths whose truth is known: `chatsdk serve` behind links of `chatsdk proxy`.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { Chatsdk } from './program.mjs';
import { play } from './row.mjs';
import { GRACE_MS, together } from './score.mjs';

/** How right it has to be: settledEach of quality/accuracy/goals.go, in percent. */
const BOUND = 95;
/** How long the truth stays the same: ten seconds are left to be judged. */
const STRETCH_MS = GRACE_MS + 10_000;
/** What the page says is looked at so often, by matrix.ts. */
const EACH_MS = 100;
/** Before a fault: the page knows its path by then. */
const BEFORE_MS = 10_000;
/** How many rows are played side by side: with more, pages wait for two processors. */
const LANES = 9;

// None within a tenth of 50, 150 and 300 ms, where levels end.
const STEADY = [10, 30, 80, 120, 180, 250, 350, 600, 1000];
const CHANGES = [[20, 200, 20], [100, 700, 100]];
const http = (type, status) => ({ type, attributes: { status } });
const FAULTS = [
  { name: 'cut', rttMs: 120, reach: 'offline', toxics: [{ type: 'down', stream: 'upstream' }, { type: 'down' }] },
  { name: 'refused', rttMs: 30, reach: 'server-down', closes: true },
  { name: 'server stopped', rttMs: 80, reach: 'server-down', stops: true },
  { name: 'server fails', rttMs: 250, reach: 'server-down', toxics: [http('http_status', 503)] },
  { name: 'portal', rttMs: 80, reach: 'captive', toxics: [http('http_captive_portal', 200)] },
  { name: 'portal that redirects', rttMs: 180, reach: 'captive', toxics: [http('http_captive_portal', 302)] },
];

const of = (rttMs) => ({ rttMs, forMs: STRETCH_MS });
/** The longest first. */
const ROWS = [
  ...CHANGES.map((rtts) => ({ about: 'latency', name: `${rtts.join(' → ')} ms`, stretches: rtts.map(of) })),
  ...FAULTS.map((fault) => {
    const { name, rttMs } = fault;
    return { about: 'reach', name, stretches: [{ rttMs, forMs: BEFORE_MS }, { ...of(rttMs), fault }, of(rttMs)] };
  }),
  ...STEADY.map((rttMs) => ({ about: 'latency', name: `${rttMs} ms`, stretches: [of(rttMs)] })),
];

export async function testMatrix(test, alias) {
  await test('the monitor: right on the matrix of latency and reach', {}, async (page) => {
    if (!(await Chatsdk.canBuild())) return 'LEFT OUT: there is no go to build chatsdk with';
    const chatsdk = await Chatsdk.build();
    try {
      const server = await chatsdk.serve('data');
      const control = await chatsdk.proxy(server.address);
      const browser = page.context().browser();
      const files = await bundle(alias);
      const delay = monitorEventLoopDelay({ resolution: 5 });
      delay.enable();
      const results = await playAll({ browser, chatsdk, control, server, files });
      return judge(results, delay);
    } finally {
      await chatsdk.end();
    }
  });
}

/** Plays the rows, so many of them at a time. */
async function playAll(world) {
  const left = [...ROWS.entries()];
  const results = [];
  const lane = async () => {
    for (let next; (next = left.shift()); ) {
      const [i, row] = next;
      results[i] = { ...row, ...(await play({ ...row, id: `row-${i}` }, world)) };
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return results;
}

/** Fails where too little is right. How long this script itself had to wait says how far the machine is to blame. */
function judge(results, delay) {
  const shares = ['latency', 'reach'].map((about) => [about, together(results.filter((r) => r.about === about))]);
  const sums = shares.map(([about, share]) => `${about} ${share.toFixed(2)}%`).join(', ');
  const waited = [delay.percentile(99), delay.max].map((ns) => Math.round(ns / 1e6));
  const machine = `the machine kept this script waiting for ${waited[0]} ms once in a hundred times, ${waited[1]} ms at most`;
  const said = [`${sums}; ${machine}`, ...results.map(lineOf)].join('\n');
  for (const { name, truth, settled } of results) {
    const settledMs = truth.map(({ from, to }) => Math.max(to - from - GRACE_MS, 0)).reduce((a, b) => a + b);
    assert.ok(settled > (0.9 * settledMs) / EACH_MS, `${name}: only ${settled} samples in ${settledMs} ms\n${said}`);
  }
  for (const [about, share] of shares) assert.ok(share >= BOUND, `${about}: less than ${BOUND}% are right: ${said}`);
  return said;
}

function lineOf({ name, truth, tookMs, all, allRight, settled, right, stallMs }) {
  const percent = (part, whole) => `${((100 * part) / whole).toFixed(1)}%`;
  const seconds = (ms) => (ms === null ? 'never' : `after ${(ms / 1000).toFixed(1)} s`);
  const told = truth.map(({ level, reach }, i) => `${reach === 'online' ? level : reach} ${seconds(tookMs[i])}`).join(', ');
  const shares = `${percent(right, settled)}, of all time ${percent(allRight, all)}`;
  return `     ${name}: ${shares}: ${told} (kept from its timers for ${stallMs - EACH_MS} ms at most)`;
}

/** The page's files, by their path. */
async function bundle(alias) {
  const at = (path) => fileURLToPath(new URL(path, import.meta.url));
  const { output } = await build({
    configFile: false,
    logLevel: 'error',
    root: at('.'),
    resolve: { alias },
    build: { write: false, rolldownOptions: { input: at('matrix.ts'), output: { entryFileNames: 'matrix.js' } } },
  });
  const html = await readFile(at('matrix.html'), 'utf8');
  return (path) =>
    path === '/matrix.js' ? { contentType: 'text/javascript', body: output[0].code } : { contentType: 'text/html', body: html };
}
