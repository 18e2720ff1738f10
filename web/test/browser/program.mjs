// The command-line program chatsdk, built from this repository, and the control API of its proxy.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const repo = fileURLToPath(new URL('../../../', import.meta.url));
const exec = promisify(execFile);

/** A folder with the program in it, and what was started of it. */
export class Chatsdk {
  #dir;
  #started = new Set();

  /** Says whether there is a Go to build the program with. */
  static canBuild = () => exec('go', ['version']).then(() => true, () => false);

  static async build() {
    const built = new Chatsdk();
    built.#dir = await mkdtemp(join(tmpdir(), 'chatsdk-browser-'));
    await exec('go', ['build', '-o', built.#dir, './cmd/chatsdk'], { cwd: repo });
    return built;
  }

  /** Starts a server on a port (0 takes a free one), with its data in a folder of this name. */
  async serve(name, port = 0) {
    return this.#start(['serve', '--listen', `127.0.0.1:${port}`, '--data', join(this.#dir, name)], ['listening on http://']);
  }

  /** Starts a proxy, and returns its control API, in which there can be more of them. */
  async proxy(upstream) {
    const args = ['proxy', '--upstream', upstream, '--control', '127.0.0.1:0'];
    const { address } = await this.#start(args, ['control listening on http://', 'proxy listening on ']);
    return new Control(`http://${address}`);
  }

  /** Starts the demo, and returns the address to open. */
  async demo() {
    const at = 'http://';
    return at + (await this.#start(['demo'], [at], 'stdout')).address;
  }

  /** Stops what was started, and removes all. */
  async end() {
    for (const program of this.#started) await program.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** Waits until it has said each of these there, and takes the address that follows the first. */
  async #start(args, said, where = 'stderr') {
    const stdio = ['ignore', where === 'stdout' ? 'pipe' : 'ignore', where === 'stderr' ? 'pipe' : 'inherit'];
    const child = spawn(join(this.#dir, 'chatsdk'), [...args, '--log-level', 'error'], { stdio });
    const gone = once(child, 'exit');
    process.once('exit', () => child.kill());
    const program = {
      stop: async () => {
        this.#started.delete(program);
        child.kill();
        await gone;
      },
    };
    this.#started.add(program);
    const lines = [];
    let open = said;
    for await (const line of createInterface({ input: child[where] })) {
      lines.push(line);
      const after = line.split(said[0])[1];
      if (after) program.address = after;
      open = open.filter((part) => !line.includes(part));
      if (!open.length) break;
    }
    if (open.length) throw new Error(`chatsdk ${args[0]} ended: ${lines.join('\n')}`);
    child[where].resume();
    return program;
  }
}

/** The control API, as Toxiproxy's. */
class Control {
  #url;

  constructor(url) {
    this.#url = url;
  }

  /** Opens a proxy to an address, and returns its own. */
  async open(name, upstream) {
    return (await this.#ask('POST', '/proxies', { name, upstream })).listen;
  }

  /** Opens or closes a proxy's port, with all connections. */
  async enable(proxy, enabled) {
    await this.#ask('PATCH', `/proxies/${proxy}`, { enabled });
  }

  async add(proxy, toxic) {
    await this.#ask('POST', `/proxies/${proxy}/toxics`, toxic);
  }

  async change(proxy, toxic, attributes) {
    await this.#ask('PATCH', `/proxies/${proxy}/toxics/${toxic}`, { attributes });
  }

  async remove(proxy, toxic) {
    await this.#ask('DELETE', `/proxies/${proxy}/toxics/${toxic}`);
  }

  async #ask(method, path, body) {
    const response = await fetch(this.#url + path, { method, body: body && JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text && JSON.parse(text);
  }
}
