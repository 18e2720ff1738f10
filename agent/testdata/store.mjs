// @chatsdk/core's AgentStore on a real agent: `node store.mjs URL TOKEN`. It asks for what it needs done by a line on
// stdout, and waits for a line on stdin that says that it is. It ends with 0, or says what went wrong.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { AgentStore } from '../../web/packages/core/dist/index.js';

const [url, token] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const ask = async (what) => {
  console.log(what);
  assert.equal((await lines.next()).value, what);
};

const store = new AgentStore({ url, token });
const heard = [];
const waiting = new Set();
store.onMessage((m) => {
  heard.push(m);
  waiting.forEach((look) => look());
});
store.subscribe(() => waiting.forEach((look) => look()));
/** Resolves when the snapshot fits; fails after 20 s. */
const until = (what, fits) =>
  new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${what} didn't come: ${JSON.stringify(store.getSnapshot())}`)), 20_000);
    const look = () => {
      if (!fits(store.getSnapshot())) return;
      clearTimeout(late);
      waiting.delete(look);
      resolve();
    };
    waiting.add(look);
    look();
  });

await until('the agent', (s) => s.agent === 'connected' && s.connection.synced && s.quality.reach === 'online');
assert.equal(store.getSnapshot().session.user, 'ada');

const id = '0190b6a4-5f3c-7c1e-8a2b-3d4e5f607182';
assert.equal((await store.actions.send('general', 'hello', id)).id, id);
assert.equal((await store.actions.send('general', 'hello', id)).id, id);
await until('the message', (s) => s.outbox.entries.some((e) => e.id === id && e.state === 'sent') && s.channels.general.newest === 1);
assert.deepEqual(heard.map((m) => [m.id, m.seq, m.user, m.text]), [[id, 1, 'ada', 'hello']]);
assert.deepEqual((await store.actions.history('general')).map((m) => m.text), ['hello']);
await assert.rejects(store.actions.cancel(id), { code: 'conflict', status: 409 });
await assert.rejects(store.actions.retry('gone'), { code: 'not_found', status: 404 });
await assert.rejects(store.actions.send('No!', 'x'), { code: 'bad_request', status: 400 });

const up = await store.actions.upload('general', new Uint8Array(200_000), { name: 'film.mp4', text: 'look' });
await until('the upload', (s) => s.uploads.some((u) => u.id === up.id && u.state === 'done' && u.sent === 200_000) && s.channels.general.newest === 2);
assert.equal(heard.at(-1).attachments[0].name, 'film.mp4');

await ask('cut');
await until('the outage', (s) => s.connection.state === 'reconnecting');
const later = await store.actions.send('general', 'later');
await until('the queued message', (s) => s.outbox.entries.some((e) => e.id === later.id && e.state === 'queued'));
const back = await store.actions.send('general', 'never');
assert.equal((await store.actions.cancel(back.id)).state, 'cancelled');
await ask('heal');
await until('its end', (s) => s.connection.synced && s.outbox.entries.some((e) => e.id === later.id && e.state === 'sent'));

await ask('burst'); // of changes and messages, more than the agent keeps
await until('the end of the burst', (s) => heard.at(-1).seq === 1499 || s.agentInfo.gaps > 0);
await until('the agent', (s) => s.agent === 'connected');
assert.equal(store.getSnapshot().agentInfo.malformed, 0);

const stranger = new AgentStore({ url, token: 'wrong' });
await new Promise((resolve) => {
  const stop = stranger.subscribe(() => stranger.getSnapshot().agent === 'refused' && (stop(), resolve()));
});

await ask('close');
await until('the loss', (s) => s.agent === 'lost' && s.quality.level === 'unknown');
process.exit(0);
