import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

/** What a page loads, in bytes: minified, gzip. */
const BUDGET = { core: 5000, react: 3000 };

test.each(Object.entries(BUDGET))('@chatsdk/%s is at most %d bytes', (name, bytes) => {
  const file = new URL(`../../packages/${name}/dist/index.js`, import.meta.url);
  const size = gzipSync(readFileSync(file), { level: 9 }).length;
  console.log(`@chatsdk/${name}: ${size} of ${bytes} bytes`);
  expect(size).toBeLessThanOrEqual(bytes);
});
