// One row of the matrix: a path of its own, a page of its own on it, and what the page said.
import assert from 'node:assert/strict';
import { levelOf, score } from './score.mjs';

const DIRECTIONS = { there: 'upstream', back: 'downstream' };

/**
 * Plays stretches, {rttMs, forMs, fault}, from a fresh start. The page's origin is its proxy, with the server behind it:
 * each byte of a ping passes that, and no CORS is needed.
 */
export async function play({ id, stretches }, { browser, chatsdk, control, server, files }) {
  const path = await Path.open(id, stretches, { chatsdk, control, server });
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const errors = [];
    page.on('pageerror', (e) => errors.push(String(e)));
    // The page's own files don't come by the proxy; everything after them does.
    await page.route('**', (route) => route.fulfill(files(new URL(route.request().url()).pathname)));
    await page.goto(`http://${path.address}/`);
    await page.unrouteAll();
    const truth = [];
    let from = await page.evaluate(() => globalThis.begin());
    for (const [i, stretch] of stretches.entries()) {
      if (i) {
        await path.change(stretches[i - 1], stretch);
        from = Date.now();
      }
      await new Promise((next) => setTimeout(next, stretch.forMs));
      truth.push({ from, to: Date.now(), ...truthOf(stretch) });
    }
    const samples = await page.evaluate(() => globalThis.samples);
    assert.deepEqual(errors, []);
    const stalls = samples.slice(1).map(({ at }, i) => at - samples[i].at);
    return { ...score(samples, truth), truth, stallMs: Math.max(...stalls) };
  } finally {
    await context.close();
  }
}

function truthOf({ rttMs, fault }) {
  const reach = fault?.reach ?? 'online';
  return { reach, level: reach === 'online' ? levelOf(rttMs) : reach === 'offline' ? 'offline' : 'unknown' };
}

/** The proxy of a row, and the server behind it. */
class Path {
  static async open(id, stretches, { chatsdk, control, server }) {
    const path = new Path();
    const stops = stretches.some(({ fault }) => fault?.stops);
    Object.assign(path, { id, chatsdk, control, server: stops ? await chatsdk.serve(id) : server });
    path.address = await control.open(id, path.server.address);
    for (const [name, stream] of Object.entries(DIRECTIONS)) {
      await control.add(id, { name, type: 'latency', stream, attributes: { latency: stretches[0].rttMs / 2 } });
    }
    return path;
  }

  /** Ends the fault of one stretch, and begins that of the next. */
  async change({ fault: ended }, { rttMs, fault: begun }) {
    const { id, control } = this;
    for (const { type, stream } of ended?.toxics ?? []) await control.remove(id, nameOf(type, stream));
    if (ended?.closes) await control.enable(id, true);
    if (ended?.stops) this.server = await this.chatsdk.serve(id, this.server.address.split(':')[1]);
    for (const name of Object.keys(DIRECTIONS)) await control.change(id, name, { latency: rttMs / 2 });
    for (const toxic of begun?.toxics ?? []) await control.add(id, { name: nameOf(toxic.type, toxic.stream), ...toxic });
    if (begun?.closes) await control.enable(id, false);
    if (begun?.stops) await this.server.stop();
  }
}

const nameOf = (type, stream = 'downstream') => `${type}-${stream}`;
