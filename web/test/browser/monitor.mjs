// The browser's own monitor against a server that is slow, silent, broken, or not the server at all.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:http';

/** Answers pings as it is told to, and has Vite answer the rest, so that all of it is one origin. */
class PingServer {
  delayMs = 20;
  /** How a ping is answered, if not as it should be. */
  fault = null;
  pings = 0;
  open = 0;
  mostOpen = 0;
  #server = createServer((req, res) => (req.url.startsWith('/api/health/ping') ? this.#ping(req, res) : this.#pass(req, res)));
  #vite;

  constructor(vite) {
    this.#vite = vite;
  }

  async start(port = 0) {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
    return this;
  }

  async stop() {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  #ping(req, res) {
    this.pings++;
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    res.on('close', () => this.open--);
    const challenge = new URL(req.url, this.origin).searchParams.get('c');
    const { fault } = this;
    setTimeout(() => {
      if (fault === 'silent' || res.destroyed) return;
      if (fault === 'reset') req.socket.resetAndDestroy();
      else if (fault === 'portal') res.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Room number?</h1>');
      else if (fault === 'redirect') res.writeHead(302, { Location: `${this.origin}/login` }).end();
      else if (fault) res.writeHead(fault).end();
      else res.writeHead(204, { 'Chatsdk-Challenge': challenge, 'Cache-Control': 'no-store' }).end();
    }, this.delayMs);
  }

  #pass(req, res) {
    const { pathname, search } = new URL(req.url, this.#vite);
    const { method, headers } = req;
    const to = request(`${this.#vite}${pathname}${search}`, { method, headers }, (from) => {
      res.writeHead(from.statusCode, from.headers);
      from.pipe(res);
    });
    to.on('error', () => res.destroy());
    req.pipe(to);
  }
}

export async function testMonitor(test, accessible, vite) {
  const open = async (page, server) => {
    await page.goto(`${server.origin}/monitor.html`);
    await page.locator('.chatsdk-indicator').last().waitFor();
  };
  /** Waits until all indicators show a status, and says how many ms that took. */
  const shown = async (page, status, timeout = 30_000) => {
    const began = performance.now();
    await page.locator(`.chatsdk-indicator[data-status="${status}"]`).nth(19).waitFor({ timeout });
    return Math.round(performance.now() - began);
  };
  /** Waits until none shows it any more. */
  const left = async (page, status) => {
    const began = performance.now();
    await page.locator(`.chatsdk-indicator[data-status="${status}"]`).first().waitFor({ state: 'detached' });
    return Math.round(performance.now() - began);
  };
  const quality = (page) => page.evaluate(() => globalThis.store.getSnapshot().quality);
  // Chromium itself logs each request that fails, and Vite that its socket isn't passed on here.
  const forgive = (errors) =>
    errors.splice(0, errors.length, ...errors.filter((e) => !/net::ERR_|status of \d|WebSocket/i.test(e)));

  await test('the monitor: each level by the time that answers take', {}, async (page, errors) => {
    const server = await new PingServer(vite).start();
    try {
      await open(page, server);
      const took = [];
      for (const [delayMs, level] of [[20, 'excellent'], [100, 'good'], [200, 'fair'], [400, 'poor'], [20, 'excellent']]) {
        server.delayMs = delayMs;
        const began = performance.now();
        // How much more it is says how busy this machine is.
        await page.waitForFunction((delayMs) => {
          const { rttMs } = globalThis.store.getSnapshot().quality;
          return rttMs >= delayMs && rttMs < delayMs + 80;
        }, delayMs);
        await shown(page, level);
        const { rttMs, reach } = await quality(page);
        assert.equal(reach, 'online');
        took.push(`${level}, ${rttMs} ms at ${delayMs} ms, after ${Math.round(performance.now() - began)} ms`);
      }
      await accessible(page);
      forgive(errors);
      return took.join('; ');
    } finally {
      await server.stop();
    }
  });

  await test('the monitor: who is at fault, and that it is over', {}, async (page, errors) => {
    const server = await new PingServer(vite).start();
    try {
      await open(page, server);
      await shown(page, 'excellent');
      const took = [];
      const faults = [
        ['silent', 'offline'],
        [503, 'server-down'],
        [429, 'server-down'],
        ['reset', 'server-down'],
        ['portal', 'captive'],
        ['redirect', 'captive'],
        [511, 'captive'],
        [204, 'captive'], // without the challenge
      ];
      for (const [fault, status] of faults) {
        server.fault = fault;
        const seen = await shown(page, status);
        assert.ok(seen < 3000, `${fault}: ${status} after ${seen} ms`);
        server.fault = null;
        const back = await left(page, status);
        assert.ok(back < 3000, `${fault}: back after ${back} ms`);
        took.push(`${fault} ${seen}/${back}`);
      }
      await server.stop(); // nobody listens
      took.push(`stopped ${await shown(page, 'server-down')}`);
      await server.start(server.port);
      took.push(`started ${await shown(page, 'excellent')}`);
      await page.context().setOffline(true);
      const seen = await shown(page, 'offline');
      assert.ok(seen < 500, `offline after ${seen} ms`);
      assert.equal((await quality(page)).reason, 'unreachable');
      await page.locator('.chatsdk-banner[data-status="offline"]').waitFor();
      await accessible(page);
      await page.context().setOffline(false);
      took.push(`network off/on ${seen}/${await shown(page, 'excellent')}`);
      forgive(errors);
      return `${took.join(', ')} ms`;
    } finally {
      await server.stop();
    }
  });

  await test('the monitor: twenty indicators in StrictMode are one prober; a busy page is no bad network', {}, async (page, errors) => {
    const server = await new PingServer(vite).start();
    try {
      server.delayMs = 5;
      await open(page, server);
      await page.waitForFunction(() => globalThis.store.getSnapshot().quality.rttMs !== null);
      await page.waitForTimeout(1500); // the first few probes
      const before = server.pings;
      await page.waitForTimeout(3000);
      const probes = server.pings - before;
      // More than six where a busy machine makes answers late, which asks for another look.
      assert.ok(probes >= 4 && probes <= 10, `${probes} probes in 3 s`);
      assert.ok(server.mostOpen <= 4, `${server.mostOpen} at a time`);
      for (let i = 0; i < 8; i++) {
        await page.evaluate(() => new Promise((done) => setTimeout(done, 300)));
        await page.evaluate(() => {
          const began = performance.now();
          while (performance.now() - began < 400);
        });
      }
      await page.waitForTimeout(500);
      const { level, rttMs } = await quality(page);
      assert.ok(['excellent', 'good'].includes(level), level);
      // The last one out: nobody looks any more.
      await page.evaluate(() => globalThis.store.stop());
      await page.waitForTimeout(100);
      const stopped = server.pings;
      await page.waitForTimeout(1200);
      assert.equal(server.pings, stopped);
      forgive(errors);
      return `${probes} probes in 3 s; ${rttMs} ms beside a busy page`;
    } finally {
      await server.stop();
    }
  });
}
