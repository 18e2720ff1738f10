// Waiting for what isn't in a page, and what a page holds.
import assert from 'node:assert/strict';

const AT_MOST_MS = 10_000;

/** Waits until it is so; fails when it isn't in time. */
export async function until(holds) {
  const began = performance.now();
  while (!holds()) {
    assert.ok(performance.now() - began < AT_MOST_MS, `it isn't so: ${holds}`);
    await new Promise((next) => setTimeout(next, 10));
  }
}

/** What a page holds after the garbage was collected: bytes of its heap, nodes and listeners. */
export async function memoryOf(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable');
  return async () => {
    await cdp.send('HeapProfiler.collectGarbage');
    const { metrics } = await cdp.send('Performance.getMetrics');
    const of = (key) => metrics.find(({ name }) => name === key).value;
    return { heap: of('JSHeapUsedSize'), nodes: of('Nodes'), listeners: of('JSEventListeners') };
  };
}
