// Uploads files with tus-js-client for the benchmark. Commands come as JSON lines on stdin:
//   {"path":"…","endpoint":"http://…","token":"…"}
// Each is answered on stdout, once the server has all: {"url":"…"} or {"error":"…"}. It ends with its stdin.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Upload } from 'tus-js-client';

const say = (o) => process.stdout.write(JSON.stringify(o) + '\n');

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { path, endpoint, token } = JSON.parse(line);
  // The library's defaults: one request for all of it, and no checksum.
  const upload = new Upload(createReadStream(path), {
    endpoint,
    headers: { Authorization: `Bearer ${token}` },
    onSuccess: () => say({ url: upload.url }),
    onError: (error) => say({ error: String(error.message ?? error).slice(0, 500) }),
  });
  upload.start();
});
lines.on('close', () => process.exit(0));
