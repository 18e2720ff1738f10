import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { takeToken } from '@chatsdk/core';

let kept: Map<string, string>;
let replaced: unknown[];

beforeEach(() => {
  kept = new Map();
  replaced = [];
  vi.stubGlobal('sessionStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
  });
  vi.stubGlobal('history', { state: 7, replaceState: (...args: unknown[]) => replaced.push(args) });
});
afterEach(() => vi.unstubAllGlobals());

const open = (hash: string): void => {
  vi.stubGlobal('location', { hash, pathname: '/p', search: '?q=1' });
};

test('is taken out of the address and remembered', () => {
  open('#token=a%2Bb');
  expect(takeToken()).toBe('a+b');
  expect(replaced).toEqual([[7, '', '/p?q=1']]);
  open('');
  expect(takeToken()).toBe('a+b');
  expect(takeToken('other')).toBe(null);
  expect(replaced).toHaveLength(1);
});

test('leaves the rest of the fragment', () => {
  open('#x=1&token=t&y=2');
  expect(takeToken()).toBe('t');
  expect(replaced).toEqual([[7, '', '/p?q=1#x=1&y=2']]);
});

test('a new one replaces the old one', () => {
  kept.set('chatsdk.token', 'old');
  open('#token=new');
  expect(takeToken()).toBe('new');
  expect(kept.get('chatsdk.token')).toBe('new');
});

test('works where nothing may be kept', () => {
  vi.stubGlobal('sessionStorage', undefined);
  open('#token=t');
  expect(takeToken()).toBe('t');
  expect(replaced).toHaveLength(1);
  open('');
  expect(takeToken()).toBe(null);
});
