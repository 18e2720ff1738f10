import { AgentError, type Actions } from './actions.js';
import { isRefusal, readText, request, type Client, type RequestOptions } from './http.js';
import { Pause, waitAfter } from './pause.js';
import { checkMessage, checkPatch, EMPTY, type Patch } from './snapshot.js';
import { SSEParser, type SSEvent } from './sse.js';
import { attempt, BaseStore, type StoreOptions } from './store.js';
import type { AgentState, Message, Snapshot } from './types.js';

export interface AgentOptions extends StoreOptions {
  /** Where the agent listens, such as `http://127.0.0.1:7411`. Defaults to the page's own origin. */
  readonly url?: string;
  /** What it gave this page to be let in with: see `takeToken`. */
  readonly token?: string | null;
  /** Replaces `fetch`. */
  readonly fetch?: typeof fetch;
  /** Replaces `Math.random`, for the jitter. */
  readonly random?: () => number;
}

/** The version of the agent's API that this is written for. */
const SCHEMA = 1;
/** The agent sends something every 5 s: after so long a silence it is gone, whatever the socket says. */
const SILENCE_MS = 12_000;
/** An agent on the same machine that takes longer for its first answer than this hangs. */
const ANSWER_MS = 5_000;
/** A wrong token or another version doesn't pass by itself soon: ask, but don't hammer. */
const WAITS = { firstMs: 200, lastMs: 2_000, slowMs: 30_000 };
/** A stream that held so long was a good one: the waits begin anew. */
const GOOD_MS = 5_000;
/** A timer that is so late says that this page was asleep: what arrived meanwhile is to be read first. */
const ASLEEP_MS = 3_000;
const AWAKE_MS = 2_000;
/** The most characters of one event, of the whole state, and of a list of messages. */
const LIMIT = 4 << 20;

/** Why a stream or a try ended, and how the agent stands because of it. */
class End extends Error {
  constructor(
    readonly agent: AgentState,
    message: string,
  ) {
    super(message);
  }
}

/**
 * The store that a local agent feeds: it reads the agent's state, then each change, and takes up the stream again
 * wherever it broke off. The state of the agent itself is told in `agent`; while it is lost, quality is unknown.
 */
export class AgentStore extends BaseStore {
  readonly actions: Actions;
  readonly #client: Client;
  readonly #random: () => number;
  readonly #messages = new Set<(message: Message) => void>();
  /** The last event's id; only of use together with the run that the snapshot names. */
  #seq = 0;
  /** The snapshot can't be gone on from: fetch it whole. */
  #stale = true;
  #failures = 0;
  readonly #pause = new Pause();

  constructor(options: AgentOptions = {}) {
    super(FIRST, options);
    this.#client = { url: (options.url ?? '').replace(/\/$/, ''), token: options.token ?? '', fetch: options.fetch };
    this.#random = options.random ?? Math.random;
    this.actions = makeActions(this.#client);
  }

  /**
   * Calls back for each message that arrives from now on, until the function that it returns is called. For those
   * before, and after `agentInfo.gaps` rose, ask `actions.history`.
   */
  readonly onMessage = (listener: (message: Message) => void): (() => void) => {
    const entry = (m: Message): void => listener(m);
    this.#messages.add(entry);
    return () => void this.#messages.delete(entry);
  };

  /** Tries at once, if it waits for its next try. */
  readonly retryNow = (): void => this.#pause.wake?.();

  protected work(signal: AbortSignal): void {
    // Nobody listens from then on: what was known isn't known any more to be so when somebody asks again.
    signal.addEventListener('abort', () => {
      this.#stale = true;
      this.#failures = 0;
      this.#tell('connecting', '', null);
      this.update({ quality: EMPTY.quality });
    });
    void this.#run(signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const end = await this.#try(signal);
      if (signal.aborted) return;
      const slow = end.agent === 'refused' || end.agent === 'incompatible';
      const ms = waitAfter(WAITS, slow, this.#failures++, this.#random);
      this.#tell(end.agent, end.message, Date.now() + ms);
      await this.#pause.of(ms, signal);
    }
  }

  /** Tells how the agent stands. Who doesn't hear it knows nothing of the network any more. */
  #tell(agent: AgentState, error: string, retryAt: number | null): void {
    const info = this.getSnapshot().agentInfo;
    const well = agent === 'connected';
    const gone = !well && agent !== 'connecting';
    if (gone) this.#stale = true;
    this.update({
      agent,
      agentInfo: {
        ...info,
        error: well ? '' : error,
        attempt: well ? 0 : this.#failures,
        retryAt: well ? null : retryAt,
      },
      ...(gone && { quality: { ...EMPTY.quality, reason: `agent ${agent}` } }),
    });
  }

  /** One try: the state if it is needed, then events for as long as they come. Returns why it ended. */
  async #try(signal: AbortSignal): Promise<End> {
    const abort = new AbortController();
    const watch = new Watchdog(() => abort.abort(new End('lost', 'the agent is silent')));
    const stop = (): void => abort.abort(signal.reason);
    signal.addEventListener('abort', stop);
    try {
      watch.arm(ANSWER_MS);
      if (this.#stale) await this.#load(abort.signal);
      watch.arm(ANSWER_MS);
      await this.#listen(abort.signal, watch);
      return new End('connecting', 'the stream ended');
    } catch (error) {
      return endOf(abort.signal.aborted ? abort.signal.reason : error);
    } finally {
      watch.stop();
      signal.removeEventListener('abort', stop);
      abort.abort();
    }
  }

  /** Fetches the whole state. */
  async #load(signal: AbortSignal): Promise<void> {
    const response = await request(this.#client, '/v1/state', { signal });
    const state = parse(await readText(response, LIMIT));
    checkSchema(state);
    const patch = understood(() => checkPatch(state));
    if (signal.aborted) return;
    this.#seq = Number(state['seq']) || 0;
    this.#stale = false;
    const ahead = Date.parse(String(state['time'])) - Date.now();
    const { run, agentInfo } = this.getSnapshot();
    this.update({
      ...patch,
      agentInfo: {
        ...agentInfo,
        gaps: agentInfo.gaps + (run ? 1 : 0),
        // Less than a second is the way here as much as the clock.
        skewMs: Math.abs(ahead) > 1000 ? ahead : 0,
      },
    });
  }

  async #listen(signal: AbortSignal, watch: Watchdog): Promise<void> {
    const { run } = this.getSnapshot();
    const query = new URLSearchParams({ after: String(this.#seq), run });
    const response = await request(this.#client, `/v1/events?${query}`, { signal });
    if (!/^text\/event-stream\b/.test(response.headers.get('content-type') ?? '')) {
      throw new End('incompatible', 'something else answers in place of the agent');
    }
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    const batch = new Batch(run, this.#seq, this.#messages);
    const parser = new SSEParser((event) => batch.take(event), LIMIT);
    const began = performance.now();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      const failure = batch.fill(() => parser.push(decoder.decode(value, { stream: true })));
      // Bytes alone don't show that this is an agent, and that it isn't stuck: only its first event does.
      if (batch.hello) watch.arm(SILENCE_MS);
      if (performance.now() - began > GOOD_MS) this.#failures = 0;
      this.#seq = batch.seq;
      const parts = batch.parts();
      if (batch.hello && this.getSnapshot().agent !== 'connected') this.#tell('connected', '', null);
      if (parts) this.update(parts);
      if (failure) this.#fail(failure, batch.hello);
    }
  }

  /** Ends a stream that can't be gone on with. A gap or damage is mended by the whole state, and no reason for alarm. */
  #fail(failure: unknown, hello: boolean): never {
    if (failure instanceof End) throw failure;
    this.#stale = true;
    const { agent, agentInfo } = this.getSnapshot();
    if (failure instanceof Gap) throw new End(agent, failure.message);
    this.update({ agentInfo: { ...agentInfo, malformed: agentInfo.malformed + 1 } });
    throw new End(hello ? agent : 'incompatible', String(failure));
  }
}

const FIRST: Snapshot = Object.freeze({ ...EMPTY, agent: 'connecting' as const });

class Gap extends Error {}

/** What one piece of the stream brings: changes are put together, so that a burst is told once. */
class Batch {
  hello = false;
  #patch: Record<string, unknown> | undefined;

  constructor(
    readonly run: string,
    public seq: number,
    readonly listeners: ReadonlySet<(message: Message) => void>,
  ) {}

  /** Runs what takes events in; returns what stopped it, if something did. Events before that one are kept. */
  fill(push: () => void): unknown {
    try {
      push();
    } catch (error) {
      return error;
    }
    return undefined;
  }

  /** The parts that changed since the last call, checked. */
  parts(): Partial<Snapshot> | undefined {
    const patch = this.#patch;
    this.#patch = undefined;
    return patch as Partial<Snapshot> | undefined;
  }

  take({ type, id, data }: SSEvent): void {
    if (type === 'hello') return this.#greet(JSON.parse(data) as Patch);
    if (!this.hello) throw new TypeError(`${type} before hello`);
    if (type === 'gap') throw new Gap('events were missed');
    const known = type === 'change' || type === 'message';
    if (id === null && !known) return; // a newer agent's: it doesn't count
    const body = JSON.parse(data) as Patch;
    const seq = Number(id);
    if (!Number.isSafeInteger(seq) || !id) throw new TypeError('unexpected id');
    if (seq <= this.seq) return; // known from the state already
    // The agent leaves out events that a later one makes void, and says after which one this is.
    if (Number(body?.['after'] ?? seq - 1) > this.seq) throw new Gap('an event is missing');
    if (type === 'change') this.#patch = { ...this.#patch, ...checkPatch(body) };
    if (type === 'message') this.#deliver(checkMessage(body));
    this.seq = seq;
  }

  #greet(hello: Patch): void {
    checkSchema(hello);
    if (hello['run'] !== this.run) throw new Gap('another run of the agent');
    this.hello = true;
  }

  #deliver(message: Message): void {
    for (const call of [...this.listeners]) attempt(() => call(message));
  }
}

/** Calls back when it wasn't armed anew in time. */
class Watchdog {
  #timer: ReturnType<typeof setTimeout> | undefined;
  constructor(readonly bark: () => void) {}

  arm(ms: number): void {
    clearTimeout(this.#timer);
    const due = Date.now() + ms;
    this.#timer = setTimeout(() => {
      if (Date.now() - due > ASLEEP_MS) this.arm(AWAKE_MS);
      else this.bark();
    }, ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function endOf(error: unknown): End {
  if (error instanceof End) return error;
  if (error instanceof AgentError) {
    const { status } = error;
    if (isRefusal(status)) return new End('refused', error.message);
    if (status >= 300 && status < 500) return new End('incompatible', error.message);
  }
  return new End('lost', String(error));
}

function understood<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw new End('incompatible', String(error));
  }
}

function parse(text: string): Patch {
  return understood(() => JSON.parse(text) as Patch);
}

function checkSchema(value: Patch | null): asserts value is Patch {
  const schema = value?.['schema'];
  if (schema !== SCHEMA) throw new End('incompatible', `the agent speaks schema ${String(schema)}, this page ${SCHEMA}`);
  if (!value?.['run']) throw new End('incompatible', 'the agent names no run');
}

function makeActions(client: Client): Actions {
  const call = async (path: string, init?: RequestOptions): Promise<any> => {
    const response = await request(client, path, init);
    try {
      return JSON.parse(await readText(response, LIMIT));
    } catch (error) {
      throw error instanceof AgentError ? error : new AgentError('unexpected', response.status, String(error));
    }
  };
  const json = (path: string, body: unknown): Promise<any> =>
    call(path, { body: JSON.stringify(body), type: 'application/json', timeoutMs: 2 * ANSWER_MS });
  const entry = (id: string, verb: string): Promise<any> => json(`/v1/outbox/${encodeURIComponent(id)}/${verb}`, {});
  return {
    send: (channel, text, id) => json('/v1/messages', { channel, text, id }),
    cancel: (id) => entry(id, 'cancel'),
    retry: (id) => entry(id, 'retry'),
    upload: (channel, file, { name, text = '', signal } = {}) => {
      const query = new URLSearchParams({ channel, name: name ?? (file as Partial<File>).name ?? 'file', text });
      return call(`/v1/uploads?${query}`, { body: file, type: 'application/octet-stream', signal });
    },
    history: async (channel, after = 0, limit = 100) => {
      const query = new URLSearchParams({ channel, after: String(after), limit: String(limit) });
      const { messages } = await call(`/v1/messages?${query}`, { timeoutMs: 2 * ANSWER_MS });
      try {
        return Object.freeze((messages as unknown[]).map(checkMessage));
      } catch (error) {
        throw new AgentError('unexpected', 200, String(error));
      }
    },
  };
}
