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
