import type { Page } from '../timeline.js';
import { OtherSchema, readState, type DemoState } from './state.js';

/**
 * How the page gets on with the demo. `malformed`: what it answers can't be understood; `incompatible`: it is of another
 * version, or nobody there is a demo.
 */
export type Standing = 'connecting' | 'connected' | 'lost' | 'refused' | 'incompatible' | 'malformed';

/** All that is known at one time; the same object until something changes. */
export interface DemoSnapshot {
  readonly standing: Standing;
  /** Why it isn't connected; empty while it is. */
  readonly error: string;
  /** What the demo told last, or null before that. */
  readonly state: DemoState | null;
  /** What it was asked for and hasn't answered yet, or null. */
  readonly asked: string | null;
  /** What the last call came to. */
  readonly said: { readonly ok: boolean; readonly text: string } | null;
}

export interface DemoOptions {
  /** The path below which the demo answers, such as `/demo`, or a whole address. */
  readonly url: string;
  readonly token: string | null;
  /** Replaces `fetch`. */
  readonly fetch?: typeof fetch;
  /** Replaces the document that is asked whether somebody sees it. */
  readonly page?: Page | undefined;
  /** Replaces `Math.random`, for the jitter. */
  readonly random?: () => number;
}

/** How often the state is asked for, in ms: while a scenario plays there is more to see. */
const CALM_MS = 1000;
const PLAYING_MS = 250;
/** Waits after failures double from the first to the last, each with up to a half less, in ms. */
const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 8000;
/** A wrong token or another version doesn't pass by itself soon. */
const SLOW_WAIT_MS = 30_000;
/** The demo runs on this machine: an answer that takes longer than this doesn't come, in ms. */
const ANSWER_MS = 5000;
/** What is asked for may take its time: a server is started, or stopped. */
const DO_MS = 15_000;
/** Over HTTP/1.1 a browser has six connections for an origin, and each tab with two clients holds two. */
const LATE = 'it doesn’t answer in time: is this page open in more than two tabs?';

class Failure extends Error {
  constructor(
    readonly standing: Standing,
    message: string,
  ) {
    super(message);
  }
}

/**
 * The demo's own state, polled while somebody is subscribed and sees the page, and what it can be asked for. One request
 * is under way at a time.
 */
export class DemoStore {
  #snapshot: DemoSnapshot = { standing: 'connecting', error: '', state: null, asked: null, said: null };
  readonly #listeners = new Set<() => void>();
  readonly #page: Page | undefined;
  #etag = '';
  #failures = 0;
  #polls: AbortController | undefined;
  /** Ends the pause between two polls. */
  #wake: (() => void) | undefined;
  /** The request that is under way: the next one waits for it. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(readonly options: DemoOptions) {
    this.#page = 'page' in options ? options.page : globalThis.document;
  }

  readonly getSnapshot = (): DemoSnapshot => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    if (!this.#listeners.size) this.#page?.addEventListener('visibilitychange', this.#look);
    this.#listeners.add(listener);
    this.#look();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size) return;
      this.#page?.removeEventListener('visibilitychange', this.#look);
      this.#look();
    };
  };

  /** Asks again at once, if it waits. */
  readonly retryNow = (): void => this.#wake?.();

  /** Asks the demo for something, named by what people read. What it comes to is in the snapshot. */
  readonly post = async (name: string, path: string, body: object = {}): Promise<boolean> => {
    if (this.#snapshot.asked !== null) return false;
    this.#update({ asked: name });
    const said = await this.#alone(async () => {
      try {
        await this.#exchange(path, DO_MS, undefined, body);
        return { ok: true, text: name };
      } catch (error) {
        return { ok: false, text: `${name}: ${(error as Error).message}` };
      }
    });
    this.#update({ asked: null, said });
    this.#wake?.();
    return said.ok;
  };

  /** Tells what several calls came to. */
  readonly say = (ok: boolean, text: string): void => this.#update({ said: { ok, text } });

  /** Polls exactly while somebody is there and sees it. */
  readonly #look = (): void => {
    const wanted = this.#listeners.size > 0 && this.#page?.visibilityState !== 'hidden';
    if (wanted === Boolean(this.#polls)) return;
    this.#polls?.abort();
    this.#polls = wanted ? new AbortController() : undefined;
    if (this.#polls) void this.#poll(this.#polls.signal);
  };

  async #poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#alone(() => (signal.aborted ? undefined : this.#ask(signal)));
      if (!signal.aborted) await this.#pause(this.#waitMs(), signal);
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    try {
      await this.#exchange('/v1/state', ANSWER_MS, signal);
      this.#failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      const { standing, message } = error as Failure;
      this.#failures++;
      this.#etag = '';
      this.#update({ standing, error: message });
    }
  }

  #waitMs(): number {
    const { standing, state } = this.#snapshot;
    if (standing === 'connected') return state?.play?.state === 'running' ? PLAYING_MS : CALM_MS;
    const slow = standing === 'refused' || standing === 'incompatible';
    const wait = slow ? SLOW_WAIT_MS : Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#failures - 1));
    return wait * (1 - (this.options.random ?? Math.random)() / 2);
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      this.#wake = done;
    });
  }

  /** Runs one thing after the one before. */
  #alone<T>(run: () => T): Promise<Awaited<T>> {
    const turn = this.#turn.then(run) as Promise<Awaited<T>>;
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Asks, and takes the answer; throws a Failure. Both together may take so long. */
  async #exchange(path: string, timeoutMs: number, signal?: AbortSignal, body?: object): Promise<void> {
    const over = new AbortController();
    const end = (): void => over.abort();
    const timer = setTimeout(end, timeoutMs);
    signal?.addEventListener('abort', end);
    try {
      await this.#take(await this.#request(path, over.signal, body));
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure('lost', over.signal.aborted ? LATE : 'it doesn’t answer');
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
    }
  }

  async #request(path: string, signal: AbortSignal, body?: object): Promise<Response> {
    const { url, token } = this.options;
    const response = await (this.options.fetch ?? fetch)(url + path, {
      method: body ? 'POST' : 'GET',
      headers: {
        Authorization: `Bearer ${token ?? ''}`,
        ...(body ? { 'Content-Type': 'application/json' } : this.#etag && { 'If-None-Match': this.#etag }),
      },
      body: body ? JSON.stringify(body) : null,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error', // the token is for the demo alone
      signal,
    });
    if (response.ok || (response.status === 304 && this.#etag)) return response;
    throw await failureOf(response);
  }

  /** Takes the whole state out of an answer. */
  async #take(response: Response): Promise<void> {
    if (response.status !== 304) {
      const state = stateOf(await response.text());
      this.#etag = response.headers.get('ETag') ?? '';
      this.#update({ state });
    }
    this.#update({ standing: 'connected', error: '' });
  }

  #update(patch: Partial<DemoSnapshot>): void {
    const keys = Object.keys(patch) as (keyof DemoSnapshot)[];
    if (keys.every((k) => Object.is(patch[k], this.#snapshot[k]))) return;
    this.#snapshot = { ...this.#snapshot, ...patch };
    for (const listener of [...this.#listeners]) listener();
  }
}

function stateOf(text: string): DemoState {
  try {
    return readState(JSON.parse(text));
  } catch (error) {
    if (error instanceof OtherSchema) throw new Failure('incompatible', error.message);
    throw new Failure('malformed', (error as Error).message);
  }
}

/** What an answer that isn't 2xx says, in the words of its problem+json if it has some. */
async function failureOf(response: Response): Promise<Failure> {
  const { status } = response;
  const problem: unknown = await response.json().catch(() => null);
  const { detail } = (problem ?? {}) as { detail?: unknown };
  const text = typeof detail === 'string' && detail ? detail : `it answers with status ${status}`;
  if (status === 401 || status === 403 || status === 421) return new Failure('refused', text);
  return new Failure(status < 500 ? 'incompatible' : 'lost', text);
}
