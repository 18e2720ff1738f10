import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readdirSync, readFileSync } from 'node:fs';
import { publint } from 'publint';
import { expect, test } from 'vitest';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

test.each(['core', 'react'])('publint has nothing to say of @chatsdk/%s', async (name) => {
  const { messages } = await publint({ pkgDir: at(`packages/${name}`), strict: true });
  expect(messages).toEqual([]);
});

test.each(['core', 'react'])('the types of @chatsdk/%s are found from ES modules and by bundlers', (name) => {
  const attw = at('node_modules/.bin/attw');
  const options = ['--profile', 'esm-only', '--format', 'json', '--exclude-entrypoints', './style.css'];
  const out = execFileSync(attw, ['--pack', at(`packages/${name}`), ...options], { encoding: 'utf8' });
  const { analysis, problems } = JSON.parse(out) as { analysis: { packageName: string }; problems: object };
  expect(analysis.packageName).toBe(`@chatsdk/${name}`);
  const ours = Object.values(problems).flat() as { resolutionKind: string }[];
  expect(ours.filter((p) => !['node10', 'node16-cjs'].includes(p.resolutionKind))).toEqual([]);
});

test('core depends on nothing, react on core alone and any React from 18 on', () => {
  const of = (name: string) => JSON.parse(readFileSync(at(`packages/${name}/package.json`), 'utf8'));
  const imports = (name: string, part = 'index'): string[] => {
    const code = readFileSync(at(`packages/${name}/dist/${part}.js`), 'utf8');
    return [...code.matchAll(/(?:from|import)\s*\(?["'`]([^"'`]+)["'`]/g)].map((m) => m[1]!).sort();
  };
  expect(of('core').dependencies ?? {}).toEqual({});
  expect(imports('core')).toEqual([]);
  expect(imports('core', 'monitor')).toEqual(['@chatsdk/core']);
  expect(of('react').dependencies).toEqual({ '@chatsdk/core': of('core').version });
  expect(of('react').peerDependencies).toEqual({ react: '>=18' });
  expect(imports('react')).toEqual(['@chatsdk/core', 'react', 'react/jsx-runtime']);
  expect(readdirSync(at('packages/react/dist'))).toContain('style.css');
});
