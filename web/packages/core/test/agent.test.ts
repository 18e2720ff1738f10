import { describe, expect, test, vi } from 'vitest';
import { AgentStore, type Message } from '@chatsdk/core';
import { connected, count, open, soon, startAgent, until } from './helpers.ts';

describe('what the agent tells', () => {
  test('is there once it is connected, frozen, and the same until something changes', async () => {
    const { agent, store } = await connected();
    const s = store.getSnapshot();
    expect(s.quality).toMatchObject({ level: 'excellent', rttMs: 12.5, tailMs: null, confidence: 0.97 });
    expect(s.session.user).toBe('ada');
    expect(s.run).toBe('run-1');
    expect(store.getSnapshot()).toBe(s);
    for (const part of [s, s.quality, s.outbox, s.outbox.entries, s.channels, s.channels['general'], s.agentInfo]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
    expect(agent.requests).toEqual(['GET /v1/state', 'GET /v1/events']);
  });

  test('changes by whole parts, and the others stay the same objects', async () => {
    const { agent, store } = await connected();
    const before = store.getSnapshot();
    agent.change({ quality: { level: 'poor', reach: 'online', rttMs: 400 } });
    const after = await until(store, (s) => s.quality.level === 'poor');
    expect(after).not.toBe(before);
    expect(after.quality).toMatchObject({ rttMs: 400, lossPct: null, confidence: 0 });
    expect(after.outbox).toBe(before.outbox);
    expect(after.connection).toBe(before.connection);
  });

  test('tells nobody of a change that changes nothing', async () => {
    const { agent, store } = await connected();
    const before = store.getSnapshot();
    let told = 0;
    store.subscribe(() => told++);
    agent.change({ quality: agent.snapshot['quality'] });
    let arrived = false;
    store.onMessage(() => (arrived = true));
    agent.message('general', 2);
    await soon(() => arrived);
    expect(told).toBe(0);
    expect(store.getSnapshot()).toBe(before);
  });

  test('comes once however many subscribe', async () => {
    const agent = await startAgent();
    const store = open(agent);
    for (let i = 0; i < 20; i++) store.subscribe(() => {});
    await until(store, (s) => s.agent === 'connected');
    expect(count(agent, 'GET /v1/events')).toBe(1);
  });

  test('keeps what it doesn’t know out, and survives a level of tomorrow', async () => {
    const { agent, store } = await connected();
    agent.change({ weather: { rain: true }, quality: { level: 'superb', sparkle: 1 } });
    const s = await until(store, (s) => (s.quality.level as string) === 'superb');
    expect(s).not.toHaveProperty('weather');
    expect(s.quality).not.toHaveProperty('sparkle');
    expect(s.agentInfo.malformed).toBe(0);
  });

  test('takes a null list for an empty one', async () => {
    const { agent, store } = await connected();
    agent.change({ uploads: null, outbox: { queued: 3, entries: null, blocked: null } });
    const s = await until(store, (s) => s.outbox.queued === 3);
    expect(s.uploads).toEqual([]);
    expect(s.outbox).toMatchObject({ entries: [], blocked: {} });
  });

  test('says how far the agent’s clock is ahead', async () => {
    const agent = await startAgent();
    agent.override['/v1/state'] = (_, r) =>
      r.end(JSON.stringify({ schema: 1, run: 'run-1', seq: 0, time: new Date(Date.now() + 3_600_000).toISOString() }));
    const store = open(agent);
    const s = await until(store, (s) => s.agent === 'connected');
    expect(s.agentInfo.skewMs).toBeGreaterThan(3_590_000);
    expect(s.agentInfo.skewMs).toBeLessThanOrEqual(3_600_000);
  });
});

describe('a stream that breaks', () => {
  test('is taken up where it broke off, without the state again, nothing lost or doubled', async () => {
    const { agent, store } = await connected();
    const got: number[] = [];
    store.onMessage((m) => got.push(m.seq));
    agent.message('general', 1);
    await soon(() => got.length === 1);
    agent.endStreams();
    agent.message('general', 2);
    agent.change({ quality: { level: 'fair' } });
    agent.message('general', 3);
    await until(store, (s) => s.quality.level === 'fair' && s.agent === 'connected');
    await soon(() => got.length === 3);
    expect(got).toEqual([1, 2, 3]);
    expect(count(agent, 'GET /v1/state')).toBe(1);
    expect(store.getSnapshot().agentInfo.gaps).toBe(0);
  });

  test('is no reason to call the agent lost, or to forget the level', async () => {
    const { agent, store } = await connected();
    const states: string[] = [];
    store.subscribe(() => states.push(`${store.getSnapshot().agent} ${store.getSnapshot().quality.level}`));
    agent.endStreams();
    await until(store, (s) => s.agent === 'connecting');
    await until(store, (s) => s.agent === 'connected');
    expect(states).toEqual(['connecting excellent', 'connected excellent']);
  });

  test('with events missed: the whole state again', async () => {
    const { agent, store } = await connected();
    agent.endStreams();
    agent.change({ quality: { level: 'poor' } });
    agent.forget();
    const s = await until(store, (s) => s.quality.level === 'poor' && s.agent === 'connected');
    expect(s.agentInfo.gaps).toBe(1);
    expect(count(agent, 'GET /v1/state')).toBe(2);
  });

  test('and comes from another run with a lower count: the whole state again', async () => {
    const { agent, store } = await connected();
    agent.change({ uploads: [{ id: 'u' }] });
    await until(store, (s) => s.uploads.length === 1);
    agent.restartAs('run-2');
    agent.change({ uploads: [] });
    agent.endStreams();
    const s = await until(store, (s) => s.run === 'run-2' && s.agent === 'connected');
    expect(s.uploads).toEqual([]);
  });

  test('and comes from another run that doesn’t say so: hello does', async () => {
    const agent = await startAgent();
    agent.override['/v1/events'] = (_, r) => {
      // It was restarted between the two requests.
      agent.restartAs('run-2');
      agent.snapshot['uploads'] = [{ id: 'u' }];
      r.writeHead(200, { 'Content-Type': 'text/event-stream' });
      r.write('event: hello\ndata: {"schema":1,"run":"run-2","seq":0}\n\n');
    };
    const store = open(agent);
    const s = await until(store, (s) => s.agent === 'connected');
    expect(s).toMatchObject({ run: 'run-2', uploads: [{ id: 'u' }] });
  });

  test('with ids that are known already: not again', async () => {
    const { agent, store } = await connected();
    const got: number[] = [];
    store.onMessage((m) => got.push(m.seq));
    agent.message('general', 1);
    agent.message('general', 2);
    agent.raw(`event: message\nid: 2\ndata: {"channel":"general","seq":8}\n\n`);
    agent.raw(`event: message\nid: 1\ndata: {"channel":"general","seq":9}\n\n`);
    agent.message('general', 3);
    await soon(() => got.length >= 3);
    expect(got).toEqual([1, 2, 3]);
    expect(store.getSnapshot().agentInfo).toMatchObject({ gaps: 0, malformed: 0 });
  });

  test('with an id left out: the whole state again; unless the event says after which it is', async () => {
    const { agent, store } = await connected();
    agent.seq += 2;
    agent.raw(`event: change\nid: ${agent.seq}\ndata: {"after":0,"outbox":{"queued":7}}\n\n`);
    await until(store, (s) => s.outbox.queued === 7);
    expect(store.getSnapshot().agentInfo.gaps).toBe(0);
    agent.seq += 2;
    agent.snapshot['outbox'] = { queued: 9 };
    agent.raw(`event: change\nid: ${agent.seq}\ndata: {"outbox":{"queued":8}}\n\n`);
    const s = await until(store, (s) => s.outbox.queued !== 7);
    expect(s.outbox.queued).toBe(9);
    expect(s.agentInfo.gaps).toBe(1);
    expect(s.agent).toBe('connected');
  });

  test('at the agent’s wish, for a page that reads too slowly: the whole state again', async () => {
    const { agent, store } = await connected();
    agent.snapshot['outbox'] = { queued: 4 };
    agent.seq += 5000;
    agent.raw('event: gap\n\n');
    const s = await until(store, (s) => s.outbox.queued === 4);
    expect(s.agentInfo).toMatchObject({ gaps: 1, malformed: 0 });
    agent.change({ outbox: { queued: 5 } });
    // A change that is known from the state already must not undo what came after it.
    await until(store, (s) => s.outbox.queued === 5);
  });
});

describe('an agent that is gone', () => {
  test('is lost within a second, quality unknown, the rest as it was; and is found again', async () => {
    const { agent, store } = await connected();
    const began = performance.now();
    await agent.stop();
    const lost = await until(store, (s) => s.agent === 'lost');
    expect(performance.now() - began).toBeLessThan(1000);
    expect(lost.quality).toMatchObject({ level: 'unknown', reach: 'unknown', reason: 'agent lost', rttMs: null });
    expect(lost.session.user).toBe('ada');
    expect(lost.agentInfo.retryAt).toBeGreaterThan(Date.now() - 2000);
    agent.restartAs('run-2');
    await agent.start();
    const back = await until(store, (s) => s.agent === 'connected');
    expect(back.quality.level).toBe('excellent');
    expect(back.agentInfo).toMatchObject({ error: '', attempt: 0, retryAt: null, gaps: 1 });
  });

  test('and comes back as the same run knows again what the network is like', async () => {
    const { agent, store } = await connected();
    await agent.stop();
    await until(store, (s) => s.agent === 'lost');
    await agent.start();
    const back = await until(store, (s) => s.agent === 'connected');
    expect(back.quality).toMatchObject({ level: 'excellent', rttMs: 12.5 });
  });

  test('refuses the token: a state of its own, asked again at the user’s wish only', async () => {
    const agent = await startAgent();
    const store = open(agent, { token: 'wrong' });
    const s = await until(store, (s) => s.agent === 'refused');
    expect(s.agentInfo.error).toBe('the token is wrong');
    expect(s.agentInfo.retryAt! - Date.now()).toBeGreaterThan(14_000);
    agent.token = 'wrong';
    store.retryNow();
    await until(store, (s) => s.agent === 'connected');
  });

  test.each([
    ['a state of another schema', '/v1/state', 'application/json', '{"schema":2,"run":"r"}'],
    ['a state without a run', '/v1/state', 'application/json', '{"schema":1}'],
    ['a state that is null', '/v1/state', 'application/json', 'null'],
    ['a state of other types', '/v1/state', 'application/json', '{"schema":1,"run":"r","outbox":7}'],
    ['a page in place of the state', '/v1/state', 'text/html', '<h1>Welcome'],
    ['a page in place of events', '/v1/events', 'text/html', '<h1>Welcome'],
    ['a hello of another schema', '/v1/events', 'text/event-stream', 'event: hello\ndata: {"schema":2,"run":"run-1"}\n\n'],
    ['events before hello', '/v1/events', 'text/event-stream', 'event: change\nid: 1\ndata: {}\n\n'],
  ])('speaks another language: %s', async (_, path, type, body) => {
    const agent = await startAgent();
    agent.override[path] = (_, r) => void r.writeHead(200, { 'Content-Type': type }).write(body, () => r.end());
    const store = open(agent);
    const s = await until(store, (s) => s.agent !== 'connecting');
    expect(s.agent).toBe('incompatible');
    expect(s.agentInfo.error).not.toBe('');
    expect(s.quality.level).toBe('unknown');
  });

  test('is a server that knows nothing of it: incompatible; one in trouble: lost', async () => {
    const agent = await startAgent();
    agent.override['/v1/state'] = (_, r) => r.writeHead(404).end();
    const store = open(agent);
    await until(store, (s) => s.agent === 'incompatible');
    agent.override['/v1/state'] = (_, r) => r.writeHead(503).end();
    store.retryNow();
    await until(store, (s) => s.agent === 'lost');
  });
});

describe('bad input', () => {
  test.each([
    ['no JSON', 'event: change\nid: 1\ndata: {"quality\n\n'],
    ['a list', 'event: change\nid: 1\ndata: []\n\n'],
    ['a part of another type', 'event: change\nid: 1\ndata: {"quality":"good"}\n\n'],
    ['a field of another type', 'event: change\nid: 1\ndata: {"outbox":{"queued":"7"}}\n\n'],
    ['an entry of another type', 'event: change\nid: 1\ndata: {"outbox":{"entries":[1]}}\n\n'],
    ['no id', 'event: change\ndata: {"outbox":{"queued":6}}\n\n'],
    ['an id that is no number', 'event: change\nid: x\ndata: {"outbox":{"queued":6}}\n\n'],
    ['a message without a channel', 'event: message\nid: 1\ndata: {"seq":1}\n\n'],
    ['a line without end', `event: change\nid: 1\ndata: ${'x'.repeat((4 << 20) + 1)}`],
    ['an event without end', `${'data: x\n'.repeat(700_000)}`],
  ])('%s: skipped and counted, then the whole state', async (_, bad) => {
    const { agent, store } = await connected();
    agent.seq = 1;
    agent.snapshot['outbox'] = { queued: 5 };
    agent.raw(bad);
    const s = await until(store, (s) => s.outbox.queued !== 0);
    expect(s.outbox.queued).toBe(5);
    expect(s.agentInfo.malformed).toBe(1);
    expect(s.agent).toBe('connected');
    agent.change({ outbox: { queued: 6 } });
    await until(store, (s) => s.outbox.queued === 6);
  });

  test('what came before a bad event in the same piece is kept', async () => {
    const { agent, store } = await connected();
    const seen: number[] = [];
    store.subscribe(() => seen.push(store.getSnapshot().outbox.queued));
    agent.raw('event: change\nid: 1\ndata: {"outbox":{"queued":1}}\n\nevent: change\nid: 2\ndata: ?\n\n');
    await until(store, (s) => s.agentInfo.malformed === 1);
    expect(seen).toContain(1);
  });

  test('comments and kinds of events that aren’t known are no damage', async () => {
    const { agent, store } = await connected();
    agent.raw(': beat\n\nevent: news\ndata: {}\n\nretry: 5\n\n');
    agent.event('fashion', { hat: 1 });
    agent.change({ outbox: { queued: 1 } });
    await until(store, (s) => s.outbox.queued === 1);
    expect(store.getSnapshot().agentInfo).toMatchObject({ malformed: 0, gaps: 0 });
  });

  test('bad events without end: the page still gets the state, and asks less and less', async () => {
    const agent = await startAgent();
    const store = open(agent, { random: () => 0 });
    const began = performance.now();
    for (let n = 1; n <= 4; n++) {
      await soon(() => agent.streams.size > 0);
      agent.raw('event: change\nid: 9\ndata: ?\n\n');
      await until(store, (s) => s.agentInfo.malformed === n);
      await soon(() => agent.streams.size === 0);
    }
    await soon(() => agent.streams.size > 0);
    // 200 + 400 + 800 + 1600 ms lie between the five tries.
    expect(performance.now() - began).toBeGreaterThan(2990);
    expect(count(agent, 'GET /v1/state')).toBe(5);
    expect(store.getSnapshot().agent).toBe('connected');
  });

  test('10,000 events in a burst: all taken in order, told a few times', async () => {
    const { agent, store } = await connected();
    const got: Message[] = [];
    store.onMessage((m) => got.push(m));
    let told = 0;
    store.subscribe(() => told++);
    let text = '';
    for (let i = 1; i <= 10_000; i++) {
      const data =
        i % 2 ? { outbox: { queued: i } } : { channel: 'general', seq: i / 2, id: `m${i}`, user: 'bob', text: 'x', time: '' };
      text += `event: ${i % 2 ? 'change' : 'message'}\nid: ${++agent.seq}\ndata: ${JSON.stringify(data)}\n\n`;
    }
    agent.raw(text);
    await soon(() => got.length === 5000);
    expect(got.map((m) => m.seq)).toEqual(Array.from({ length: 5000 }, (_, i) => i + 1));
    expect(store.getSnapshot().outbox.queued).toBe(9999);
    expect(store.getSnapshot().agentInfo).toMatchObject({ malformed: 0, gaps: 0 });
    expect(told).toBeLessThan(500);
    expect(count(agent, 'GET /v1/events')).toBe(1);
  });

  test('a state without end is given up', async () => {
    const agent = await startAgent();
    let closed = false;
    agent.override['/v1/state'] = (_, r) => {
      r.on('close', () => (closed = true));
      const more = (): void => void (closed || r.write('x'.repeat(1 << 16), more));
      more();
    };
    const store = open(agent);
    const s = await until(store, (s) => s.agent === 'lost' || s.agent === 'incompatible');
    expect(s.agentInfo.error).toMatch(/more than/);
    await soon(() => closed);
  });
});

describe('who reads', () => {
  test('and is the last to go leaves the stream open for a moment, and then it is closed', async () => {
    const agent = await startAgent();
    const store = new AgentStore({ url: agent.url, token: 'secret', lingerMs: 50 });
    let off = store.subscribe(() => {});
    await until(store, (s) => s.agent === 'connected');
    off();
    off = store.subscribe(() => {});
    agent.change({ outbox: { queued: 1 } });
    await until(store, (s) => s.outbox.queued === 1);
    off();
    await soon(() => agent.streams.size === 0);
    expect(count(agent, 'GET /v1/events')).toBe(1);
    expect(store.getSnapshot()).toMatchObject({ agent: 'connecting', quality: { level: 'unknown', reason: '' } });
    off = store.subscribe(() => {});
    await until(store, (s) => s.agent === 'connected' && s.quality.level === 'excellent');
    off();
    store.stop();
  });

  test('and throws stops nobody else', async () => {
    const { agent, store } = await connected();
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    let told = 0;
    const off = store.subscribe(() => {
      throw new Error('mine');
    });
    store.subscribe(() => told++);
    store.onMessage(() => {
      throw new Error('mine');
    });
    agent.message('general', 1);
    agent.change({ outbox: { queued: 1 } });
    await until(store, (s) => s.outbox.queued === 1);
    await soon(() => told === 1);
    expect(log).toHaveBeenCalledTimes(2);
    expect(store.getSnapshot().agentInfo.malformed).toBe(0);
    off();
    log.mockRestore();
  });

  test('a stopped store tells nothing more', async () => {
    const { agent, store } = await connected();
    store.stop();
    const s = store.getSnapshot();
    agent.change({ outbox: { queued: 1 } });
    await soon(() => agent.streams.size === 0);
    expect(store.getSnapshot()).toBe(s);
  });
});
