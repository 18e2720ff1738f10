// Runs one case of tus-js-client against a server and says on stdout, as one line of JSON, what came of it.
// node client.mjs CASE ENDPOINT TOKEN BYTES
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import * as tus from "tus-js-client";

const [name, endpoint, token, length] = process.argv.slice(2);
const bytes = Buffer.alloc(Number(length));
for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + (i >> 8)) & 0xff;
const sha256 = createHash("sha256").update(bytes).digest("hex");
const out = { sha256, statuses: [] };

// upload runs one, with options on top of the usual ones; it ends with the upload, or when stop says so.
function upload(options = {}, stop = undefined, source = bytes) {
  return new Promise((resolve, reject) => {
    const u = new tus.Upload(source, {
      endpoint,
      headers: { Authorization: `Bearer ${token}` },
      metadata: { filename: "a b.bin", filetype: "application/octet-stream", sha256 },
      retryDelays: [0, 50, 100],
      chunkSize: 256 * 1024,
      onAfterResponse(request, response) {
        out.statuses.push(`${request.getMethod()} ${response.getStatus()}`);
        if (response.getHeader("Upload-Sha256")) out.served = response.getHeader("Upload-Sha256");
      },
      onError: reject,
      onSuccess: () => resolve(u),
      onChunkComplete(_size, accepted) {
        if (stop) stop(u, accepted, () => resolve(u));
      },
      ...options,
    });
    u.start();
  });
}

const cases = {
  create: () => upload(),
  oneRequest: () => upload({ chunkSize: Infinity }),
  duringCreation: () => upload({ uploadDataDuringCreation: true }),
  deferred: () => upload({ uploadLengthDeferred: true }, undefined, Readable.from(bytes, { objectMode: false })),
  parallel: () => upload({ parallelUploads: 3 }),
  // Stopped after some chunks, and taken up by a new Upload that knows nothing but the address.
  resume: async () => {
    const first = await upload({}, (u, accepted, done) => {
      if (accepted >= bytes.length / 2 && !out.stoppedAt) {
        out.stoppedAt = accepted;
        u.abort().then(done);
      }
    });
    return upload({ uploadUrl: first.url });
  },
  abort: async () => {
    const u = await upload({}, (u, _accepted, done) => u.abort(true).then(done));
    try {
      await upload({ uploadUrl: u.url, endpoint: undefined, retryDelays: null });
      out.error = "the terminated upload goes on";
    } catch {
      // HEAD said 404, as it has to
    }
    return u;
  },
  // The first PATCH says another offset than the server's: 409, and the client asks and goes on.
  wrongOffset: () => {
    let wrong = true;
    return upload({
      onBeforeRequest(request) {
        if (wrong && request.getMethod() === "PATCH") {
          wrong = false;
          request.setHeader("Upload-Offset", "3");
        }
      },
    });
  },
  wrongDigest: () => upload({ metadata: { sha256: createHash("sha256").digest("hex") } }),
};

try {
  const u = await cases[name]();
  out.url = u.url;
} catch (error) {
  out.error = String(error.message ?? error).slice(0, 500);
}
console.log(JSON.stringify(out));
