import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

/** What a page loads, in bytes: minified, gzip. The monitor comes beside the core, where there is no agent. */
const BUDGET = { core: 5000, 'core/monitor': 8400, react: 3000 };

test.each(Object.entries(BUDGET))('@chatsdk/%s is at most %d bytes', (name, bytes) => {
  const [pkg, part = 'index'] = name.split('/');
  const file = new URL(`../../packages/${pkg}/dist/${part}.js`, import.meta.url);
  const size = gzipSync(readFileSync(file), { level: 9 }).length;
  console.log(`@chatsdk/${name}: ${size} of ${bytes} bytes`);
  expect(size).toBeLessThanOrEqual(bytes);
});

/** The page comes from the same machine, and most of it is React: the bound is there so that growth is seen. */
test('the dashboard is at most 120,000 bytes', () => {
  const dist = new URL('../../apps/dashboard/dist/', import.meta.url);
  const files = ['dashboard.js', 'shared.js', 'dashboard.css'];
  const size = files.reduce((sum, file) => sum + gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length, 0);
  console.log(`apps/dashboard: ${size} of 120000 bytes`);
  expect(size).toBeLessThanOrEqual(120_000);
});
