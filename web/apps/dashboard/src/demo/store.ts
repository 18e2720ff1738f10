import { AgentError } from '../../../../packages/core/src/actions.js';
import { isRefusal, request, UNEXPECTED } from '../../../../packages/core/src/http.js';
import { Pause, waitAfter } from '../../../../packages/core/src/pause.js';
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
/** A wrong token or another version doesn't pass by itself soon. */
const WAITS = { firstMs: 500, lastMs: 8000, slowMs: 30_000 };
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
  /** That between two polls. */
  readonly #pause = new Pause();
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
  readonly retryNow = (): void => this.#pause.wake?.();

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
    this.#pause.wake?.();
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
      if (!signal.aborted) await this.#pause.of(this.#waitMs(), signal);
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
    return waitAfter(WAITS, slow, this.#failures - 1, this.options.random ?? Math.random);
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

  /** Asks; null says that nothing is new. */
  async #request(path: string, signal: AbortSignal, body?: object): Promise<Response | null> {
    const { url, token, fetch } = this.options;
    const known = !body && this.#etag;
    try {
      return await request({ url, token: token ?? '', fetch }, path, {
        signal,
        ...(body && { body: JSON.stringify(body), type: 'application/json' }),
        ...(known && { headers: { 'If-None-Match': known } }),
      });
    } catch (error) {
      if (!(error instanceof AgentError) || !error.status) throw error; // there was no answer
      if (error.status === 304 && this.#etag) return null;
      throw failureOf(error);
    }
  }

  /** Takes the whole state out of an answer. */
  async #take(response: Response | null): Promise<void> {
    if (response) {
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
function failureOf({ code, status, message }: AgentError): Failure {
  const text = code === UNEXPECTED ? `it answers with status ${status}` : message;
  if (isRefusal(status)) return new Failure('refused', text);
  return new Failure(status < 500 ? 'incompatible' : 'lost', text);
}
