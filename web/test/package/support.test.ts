import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const web = new URL('../../', import.meta.url);

/** What browsers of 2022 don't have, and is easily taken for granted: README.md says which browsers the packages are for. */
const NEWER = ['AbortSignal.any', 'Promise.withResolvers', 'Promise.try', 'Object.groupBy', '.toSorted(', '.toReversed(', '.findLast(', 'light-dark('];
const NEWER_STYLE = [...NEWER, 'color-mix(', '@container', ':has('];

test.each([
  ['packages/core/dist/', NEWER],
  ['packages/react/dist/', NEWER_STYLE],
  ['apps/dashboard/dist/', NEWER],
])('%s asks for no newer browser than is promised', (dir, newer) => {
  const files = readdirSync(new URL(dir, web)).filter((name) => /\.(js|css)$/.test(name));
  expect(files.length).toBeGreaterThan(1);
  for (const name of files) {
    const text = readFileSync(new URL(dir + name, web), 'utf8');
    expect(newer.filter((part) => text.includes(part)), name).toEqual([]);
  }
});
