import { expect, test, vi } from 'vitest';
import { ConnectionBanner } from '@chatsdk/react';
import { act, OFFLINE, renderWith, wait, WELL } from './helpers.tsx';

const silent = { announce: false };

test('is there when an outage lasts, and gone with it at once', async () => {
  const { box, set } = await renderWith(WELL, <ConnectionBanner />, silent);
  await wait(60_000);
  expect(box.textContent).toBe('');
  await set(OFFLINE);
  await wait(4999);
  expect(box.textContent).toBe('');
  await wait(1);
  expect(box.textContent).toBe('Offline It goes on by itself when the network is back. ');
  await set(WELL);
  expect(box.textContent).toBe('');
  await set(OFFLINE); // another outage, from its beginning
  await wait(4999);
  expect(box.textContent).toBe('');
});

test('stays away from short outages, however many', async () => {
  const { box, set } = await renderWith(WELL, <ConnectionBanner delayMs={1000} />, silent);
  for (let i = 0; i < 10; i++) {
    await set(OFFLINE);
    await wait(999);
    expect(box.textContent).toBe('');
    await set(WELL);
    await wait(1);
  }
});

test('counts the outage, not its kinds', async () => {
  const { box, set } = await renderWith(
    { ...WELL, connection: { state: 'reconnecting' } },
    <ConnectionBanner />,
    silent,
  );
  await wait(3000);
  await set(OFFLINE);
  await wait(1999);
  expect(box.textContent).toBe('');
  await wait(1);
  expect(box.textContent).toContain('Offline');
  await set({ quality: { level: 'offline', reach: 'captive' }, connection: { state: 'suspended' } });
  expect(box.textContent).toContain('Open the sign-in page of this network');
  await set({ quality: { level: 'offline', reach: 'server-down' } });
  expect(box.textContent).toContain('Your network works');
});

test('counts down to the next try, by this clock', async () => {
  vi.setSystemTime('2026-11-30T10:00:00.200Z');
  const agentInfo = { skewMs: 60_000 };
  const trying = { ...OFFLINE, agentInfo, connection: { state: 'reconnecting' as const, retryAt: '2026-11-30T10:01:08.000Z' } };
  const { box, set } = await renderWith(trying, <ConnectionBanner />, silent);
  await wait(5000);
  const shown = (): string | undefined => box.querySelector('.chatsdk-retry')?.textContent;
  const seen = [shown()];
  for (let i = 0; i < 40; i++) {
    await wait(100);
    if (shown() !== seen.at(-1)) seen.push(shown());
  }
  expect(seen).toEqual(['Next try in 3\u00a0s. ', 'Next try in 2\u00a0s. ', 'Next try in 1\u00a0s. ', 'Trying now… ']);
  await set(OFFLINE);
  expect(shown()).toBeUndefined();
  await set(trying);
  await set(WELL);
  await wait(0);
  expect(vi.getTimerCount()).toBe(0);
});

test('says how much waits', async () => {
  const { box, set } = await renderWith({ ...OFFLINE, outbox: { queued: 1 } }, <ConnectionBanner />, silent);
  await wait(5000);
  expect(box.textContent).toContain('1 message waits to be sent.');
  await set({ outbox: { queued: 2, sending: 1 } });
  expect(box.textContent).toContain('3 messages wait to be sent.');
});

test('shows at once what only somebody’s doing ends', async () => {
  const { box, set } = await renderWith(WELL, <ConnectionBanner />, silent);
  await set({ session: { state: 'reauth-required' } });
  expect(box.textContent).toContain('Signed out');
  expect(box.querySelector('button')).toBe(null);
  await set({ session: { state: 'fresh' }, connection: { state: 'failed', error: 'attempt limit' } });
  expect(box.textContent).toContain('attempt limit');
  for (const agent of ['refused', 'incompatible'] as const) {
    await set(WELL);
    expect(box.textContent).toBe('');
    await set({ agent });
    expect(box.querySelector('.chatsdk-banner')!.getAttribute('data-status')).toBe(`agent-${agent}`);
  }
});

test('lets who is signed out sign in', async () => {
  const signIn = vi.fn();
  const patch = { session: { state: 'reauth-required' as const } };
  const { box } = await renderWith(patch, <ConnectionBanner onSignIn={signIn} />, silent);
  await act(async () => box.querySelector('button')!.click());
  expect(box.querySelector('button')!.textContent).toBe('Sign in');
  expect(signIn).toHaveBeenCalledOnce();
  expect(signIn).toHaveBeenCalledWith();
});

test('tries again for who lost the agent, and tells nothing of what it doesn’t know', async () => {
  const { box, store, set } = await renderWith({ ...WELL, outbox: { queued: 5 } }, <ConnectionBanner />, silent);
  const retryNow = vi.fn();
  Object.assign(store, { retryNow });
  await set({ agent: 'lost', connection: { state: 'reconnecting', retryAt: '2099-01-01T00:00:00.000Z' } });
  expect(box.textContent).toBe('');
  await wait(5000);
  expect(box.textContent).toBe('Chat program not running You see what was known last. Start the program to go on. Try now');
  await act(async () => box.querySelector('button')!.click());
  expect(retryNow).toHaveBeenCalledOnce();
});

test('in other words', async () => {
  const labels = { status: { offline: { label: 'Kein Netz', next: 'Es geht von selbst weiter.' } } };
  const { box } = await renderWith(OFFLINE, <ConnectionBanner delayMs={0} labels={labels} className="mine" />, silent);
  await wait(0);
  expect(box.querySelector('.mine.chatsdk-banner')!.textContent).toBe('Kein Netz Es geht von selbst weiter. ');
});
