import { expect, test } from 'vitest';
import { AgentError, AgentStore } from '@chatsdk/core';
import { startAgent } from './helpers.ts';

async function actions(token = 'secret') {
  const agent = await startAgent();
  return { agent, ask: new AgentStore({ url: agent.url, token }).actions };
}

test('send', async () => {
  const { agent, ask } = await actions();
  expect(await ask.send('general', 'hi ☃', 'my-id')).toEqual({ id: 'my-id', durable: true });
  expect(agent.bodies).toEqual([
    { type: 'application/json', query: '', text: '{"channel":"general","text":"hi ☃","id":"my-id"}' },
  ]);
});

test('an address with a slash at its end is the same', async () => {
  const { agent } = await actions();
  const { actions: ask } = new AgentStore({ url: `${agent.url}/`, token: 'secret' });
  await ask.send('general', 'hi');
  expect(agent.requests).toEqual(['POST /v1/messages']);
});

test('cancel and retry', async () => {
  const { agent, ask } = await actions();
  expect(await ask.cancel('a/b')).toEqual({ id: 'a/b', state: 'cancelled' });
  expect(await ask.retry('m1')).toEqual({ id: 'm1', state: 'queued' });
  expect(agent.requests).toEqual(['POST /v1/outbox/a%2Fb/cancel', 'POST /v1/outbox/m1/retry']);
});

test('upload', async () => {
  const { agent, ask } = await actions();
  const file = new File(['12345'], 'ä & b.txt');
  expect(await ask.upload('general', file, { text: 'see' })).toEqual({ id: 'u1' });
  expect(await ask.upload('general', new Uint8Array([104, 105]))).toEqual({ id: 'u1' });
  expect(agent.bodies).toEqual([
    { type: 'application/octet-stream', query: '?channel=general&name=%C3%A4+%26+b.txt&text=see', text: '12345' },
    { type: 'application/octet-stream', query: '?channel=general&name=file&text=', text: 'hi' },
  ]);
});

test('history', async () => {
  const { agent, ask } = await actions();
  for (let seq = 40; seq < 50; seq++) agent.message('general', seq);
  agent.message('other', 42);
  const messages = await ask.history('general', 41, 3);
  expect(messages.map((m) => m.seq)).toEqual([42, 43, 44]);
  const [m] = messages;
  expect(m).toMatchObject({ channel: 'general', seq: 42, user: 'bob', attachments: [], replay: false });
  expect(Object.isFrozen(m)).toBe(true);
});

test('refusals and silence are AgentErrors', async () => {
  const { agent, ask } = await actions();
  await expect(ask.cancel('gone')).rejects.toMatchObject({ name: 'AgentError', code: 'not_found', status: 404 });
  const wrong = new AgentStore({ url: agent.url, token: 'wrong' }).actions;
  await expect(wrong.send('general', 'hi')).rejects.toMatchObject({ code: 'unauthorized', message: 'the token is wrong' });
  agent.override['/v1/messages'] = (_, r) => r.end('<h1>');
  await expect(ask.send('general', 'hi')).rejects.toMatchObject({ code: 'unexpected', status: 200 });
  agent.override['/v1/messages'] = (_, r) => r.end('{"messages":[{}]}');
  await expect(ask.history('general')).rejects.toBeInstanceOf(AgentError);
  agent.override['/v1/messages'] = (_, r) => r.writeHead(502).end('<h1>');
  await expect(ask.history('general')).rejects.toMatchObject({ code: 'unexpected', status: 502 });
  const elsewhere = await startAgent();
  agent.override['/v1/messages'] = (_, r) => r.writeHead(302, { Location: `${elsewhere.url}/v1/messages` }).end();
  await expect(ask.history('general')).rejects.toMatchObject({ code: 'unreachable', status: 0 });
  expect(elsewhere.requests).toEqual([]); // nor was it shown the token
  await agent.stop();
  await expect(ask.send('general', 'hi')).rejects.toMatchObject({ code: 'unreachable', status: 0 });
});
