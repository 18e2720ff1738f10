// Runs @tus/server with files in a folder on a free loopback port, and says that port on stdout. It ends with its stdin.
// node server.mjs DIR EXPIRE_MS
import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";

const [directory, expire] = process.argv.slice(2);
const datastore = new FileStore({ directory, expirationPeriodInMilliseconds: Number(expire) });
const server = new Server({ path: "/files", datastore });
const listening = server.listen(0, "127.0.0.1", () => console.log(listening.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
