import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { LEVELS } from '@chatsdk/core';
import { defaultLabels } from '@chatsdk/react';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const readme = readFileSync(at('README.md'), 'utf8');

test('the README’s table has each status, its words and its bars', () => {
  const rows = [...readme.matchAll(/^\| `([a-z-]+)` \| ([^|]+) \| ([^|]+) \|/gm)].map(([, status, words, bars]) => ({
    status,
    words,
    bars: Number.parseInt(bars!, 10),
  }));
  const known = Object.entries(defaultLabels.status).map(([status, { label, detail }]) => ({
    status,
    words: detail ? `${label} · ${detail}` : label,
    bars: status === 'reconnecting' ? NaN : ((LEVELS as Record<string, { bars: number }>)[status]?.bars ?? 0),
  }));
  const sorted = (all: { status?: string }[]) => all.sort((a, b) => (a.status! < b.status! ? -1 : 1));
  expect(sorted(rows)).toEqual(sorted(known));
});

test('the README’s code compiles against the built packages', () => {
  const folder = at('node_modules/.readme');
  const [page, hooks, labels, plain, monitor] = [...readme.matchAll(/^```tsx?\n(.*?)^```/gms)].map((m) => m[1]);
  const names = 'useNetworkQuality, useConnection, useOutbox, useUpload, useSnapshot';
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const write = (name: string, text: string) => writeFileSync(`${folder}/${name}`, text);
  write('page.tsx', page!);
  write('hooks.tsx', `import { ${names} } from '@chatsdk/react';\nexport function F({ id }: { id: string }) {\n${hooks}}\n`);
  write('labels.tsx', `import type { LabelOverrides } from '@chatsdk/react';\n${labels}export const l: LabelOverrides = german;\n`);
  write('plain.ts', `import { AgentStore, statusOf } from '@chatsdk/core';\nconst token = '';\n${plain}stop();\n`);
  write('monitor.ts', monitor!);
  const options = { target: 'es2022', module: 'esnext', moduleResolution: 'bundler', jsx: 'react-jsx', strict: true };
  const files = ['page.tsx', 'hooks.tsx', 'labels.tsx', 'plain.ts', 'monitor.ts'];
  write('tsconfig.json', JSON.stringify({ compilerOptions: { ...options, noEmit: true, types: [] }, files }));
  // The compiler's words are on its standard output, which an error hides.
  const run = () => execFileSync(at('node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' });
  try {
    expect(run()).toBe('');
  } catch (error) {
    throw new Error((error as { stdout?: string }).stdout || String(error));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
