import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const ours = [
  { find: /^@chatsdk\/core$/, replacement: at('packages/core/src/index.ts') },
  { find: /^@chatsdk\/core\/monitor$/, replacement: at('packages/core/src/monitor/index.ts') },
  { find: /^@chatsdk\/react$/, replacement: at('packages/react/src/index.ts') },
];
// The oldest React that is supported has a folder of its own, with the react-dom that belongs to it.
const react18 = ['react', 'react-dom'].map((name) => ({
  find: new RegExp(`^${name}(?=/|$)`),
  replacement: at(`test/react18/node_modules/${name}`),
}));
const react = { include: ['packages/react/test/*.test.tsx'], environment: 'happy-dom' };

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      { resolve: { alias: ours }, test: { name: 'core', include: ['packages/core/test/*.test.ts'] } },
      { resolve: { alias: ours }, test: { name: 'react 19', ...react, env: { REACT: '19' } } },
      { resolve: { alias: [...ours, ...react18] }, test: { name: 'react 18', ...react, env: { REACT: '18' } } },
      { resolve: { alias: ours }, test: { name: 'dashboard', include: ['apps/dashboard/test/*.test.ts'] } },
      { test: { name: 'package', include: ['test/package/*.test.ts'], testTimeout: 60_000 } },
    ],
  },
});
