// Drives centrifuge-js for the benchmark. Commands come as JSON lines on stdin:
//   {"op":"open","id":"…","url":"ws://…","token":"…","channel":"…"}   {"op":"close","id":"…"}
// Events go as JSON lines to stdout: {"id":"…","event":"connected|lost|synced|error","recovered":bool,"detail":"…"}
// It ends with its stdin.
import { createInterface } from 'node:readline';
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';

const clients = new Map();
const say = (o) => process.stdout.write(JSON.stringify(o) + '\n');

function open({ id, url, token, channel }) {
  // The library's defaults, as an application gets them.
  const client = new Centrifuge(url, { websocket: WebSocket, token });
  const sub = client.newSubscription(channel);
  let up = false;
  client.on('connecting', (c) => {
    if (up) say({ id, event: 'lost', detail: `${c.code} ${c.reason}` });
    up = false;
  });
  client.on('connected', () => { up = true; say({ id, event: 'connected' }); });
  client.on('disconnected', (c) => say({ id, event: 'error', detail: `disconnected ${c.code} ${c.reason}` }));
  sub.on('subscribed', (c) => say({ id, event: 'synced', recovered: c.recovered === true }));
  sub.on('unsubscribed', (c) => say({ id, event: 'error', detail: `unsubscribed ${c.code} ${c.reason}` }));
  sub.subscribe();
  client.connect();
  clients.set(id, client);
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const command = JSON.parse(line);
  if (command.op === 'open') open(command);
  if (command.op === 'close') {
    clients.get(command.id)?.disconnect();
    clients.delete(command.id);
  }
});
lines.on('close', () => process.exit(0));
