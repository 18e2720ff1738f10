// What the demo tells of itself, schema 1. What a reader doesn't know is ignored, and what is missing has its first value;
// what has another type than it should is refused, with where it stands.

export interface Link {
  /** Round trip that the link adds, in ms. */
  readonly latencyMs: number;
  readonly lossPct: number;
  /** Kilobits a second each way; 0 is no limit. */
  readonly rateKbps: number;
  readonly cut: boolean;
  readonly portal: boolean;
}

export interface DemoClient {
  readonly name: string;
  readonly path: string;
  /** The seq up to which it has told messages. */
  readonly shown: number;
  readonly link: Link;
  /** Until when the server answers it 429, RFC 3339, or null. */
  readonly busyUntil: string | null;
}

export interface Scenario {
  readonly id: string;
  readonly name: string;
  readonly why: string;
  /** The scenario that this one is a sibling of; empty for those of the first sketch. */
  readonly of: string;
}

export interface PlayClient {
  readonly name: string;
  readonly state: string;
  readonly level: string;
  readonly rttMs: number | null;
  readonly sent: number;
  readonly shown: number;
}

/** A scenario that plays, or the last that did. */
export interface Play {
  readonly id: string;
  readonly name: string;
  /** `running`, `passed`, `failed`, `stopped`, `error`. */
  readonly state: string;
  readonly began: string;
  readonly tookMs: number;
  readonly lines: readonly string[];
  readonly clients: readonly PlayClient[];
  readonly counts: { readonly sent: number; readonly stored: number; readonly shown: number; readonly violations: number };
  readonly problems: readonly string[];
}

export interface DemoState {
  readonly run: string;
  readonly seq: number;
  readonly talk: boolean;
  readonly server: { readonly running: boolean; readonly stored: number };
  readonly clients: readonly DemoClient[];
  readonly scenarios: readonly Scenario[];
  readonly play: Play | null;
}

export const SCHEMA = 1;

/** The demo speaks another version than this page. */
export class OtherSchema extends Error {}

/** readState returns the state in an answer; throws OtherSchema, or a TypeError that says what is wrong. */
export function readState(value: unknown): DemoState {
  const state = new Part(value, 'state');
  const schema = state.from['schema'];
  if (schema !== SCHEMA) throw new OtherSchema(`the demo speaks schema ${String(schema)}, this page ${SCHEMA}`);
  const server = state.part('server');
  return {
    run: state.text('run'),
    seq: state.number('seq'),
    talk: state.flag('talk'),
    server: { running: server.flag('running'), stored: server.number('stored') },
    clients: state.parts('clients').map(readClient),
    scenarios: state.parts('scenarios').map((s) => ({
      id: s.text('id'),
      name: s.text('name'),
      why: s.text('why'),
      of: s.text('of'),
    })),
    play: state.from['play'] == null ? null : readPlay(state.part('play')),
  };
}

function readClient(client: Part): DemoClient {
  const link = client.part('link');
  return {
    name: client.text('name'),
    path: client.text('path'),
    shown: client.number('shown'),
    link: {
      latencyMs: link.number('latencyMs'),
      lossPct: link.number('lossPct'),
      rateKbps: link.number('rateKbps'),
      cut: link.flag('cut'),
      portal: link.flag('portal'),
    },
    busyUntil: client.text('busyUntil') || null,
  };
}

function readPlay(play: Part): Play {
  const counts = play.part('counts');
  return {
    id: play.text('id'),
    name: play.text('name'),
    state: play.text('state'),
    began: play.text('began'),
    tookMs: play.number('tookMs'),
    lines: play.texts('lines'),
    clients: play.parts('clients').map((c) => ({
      name: c.text('name'),
      state: c.text('state'),
      level: c.text('level'),
      rttMs: c.from['rttMs'] == null ? null : c.number('rttMs'),
      sent: c.number('sent'),
      shown: c.number('shown'),
    })),
    counts: {
      sent: counts.number('sent'),
      stored: counts.number('stored'),
      shown: counts.number('shown'),
      violations: counts.number('violations'),
    },
    problems: play.texts('problems'),
  };
}

/** An object of an answer, and where in it that stands. */
class Part {
  readonly from: Readonly<Record<string, unknown>>;

  constructor(
    value: unknown,
    readonly path: string,
  ) {
    if (value == null || typeof value !== 'object' || Array.isArray(value)) throw new TypeError(`${path} is no object`);
    this.from = value as Record<string, unknown>;
  }

  text(key: string): string {
    return this.#typed(key, 'string', '');
  }

  number(key: string): number {
    return this.#typed(key, 'number', 0);
  }

  flag(key: string): boolean {
    return this.#typed(key, 'boolean', false);
  }

  part(key: string): Part {
    return new Part(this.from[key] ?? {}, `${this.path}.${key}`);
  }

  parts(key: string): readonly Part[] {
    return this.#list(key).map((v, i) => new Part(v, `${this.path}.${key}[${i}]`));
  }

  texts(key: string): readonly string[] {
    return this.#list(key).map((v, i) => {
      if (typeof v !== 'string') throw new TypeError(`${this.path}.${key}[${i}] is no string`);
      return v;
    });
  }

  #typed<T>(key: string, type: string, first: T): T {
    const value = this.from[key];
    if (value == null) return first;
    if (typeof value !== type) throw new TypeError(`${this.path}.${key} is no ${type}`);
    return value as T;
  }

  /** Go writes an empty list as null at times. */
  #list(key: string): readonly unknown[] {
    const value = this.from[key] ?? [];
    if (!Array.isArray(value)) throw new TypeError(`${this.path}.${key} is no list`);
    return value as unknown[];
  }
}
