// The twin of Go's quality/trace_test.go: the same random traces, from the same seeds, by whole numbers alone. What is
// changed there is to be changed here.
import {
  BACKGROUND,
  Estimator,
  FOREGROUND,
  type Cause,
  type Effort,
  type Probe,
  type Refusal,
  type Report,
  type Sample,
} from '@chatsdk/core/monitor';

const US = 1000;
const MS = 1e6;
const SECOND = 1e9;

type Source = NonNullable<Sample['source']>;
type Kind = Sample['kind'];

/** Written as Go writes it: what is left out is nothing. */
type Told = Partial<Sample>;

const CAUSES: readonly Cause[] = ['timeout', 'unreachable', 'refused', 'server-error', 'portal'];
const LINKS = ['up', 'down', 'changed'] as const;
const SOURCES: readonly Source[] = ['ping', 'call'];
const WORLDS = ['server', 'silent', 'portal', 'errors', 'refuses', 'none', 'flaky'] as const;

export const SUMS = ['rtt', 'variation', 'tail', 'loaded', 'share', 'low', 'high', 'answers', 'confidence', 'age', 'since', 'next'];
export const IN_NS = new Set(['rtt', 'variation', 'tail', 'loaded', 'age', 'since', 'next']);

export class Trace {
  /** What was answered each time: refusal, level, reach, reason, and the probe that is wanted. */
  readonly states: string[] = [];
  readonly sums = SUMS.map(() => 0);
  #seed: number;
  #now = 0;
  #next = 0;
  #id = 0;
  #world: (typeof WORLDS)[number] = 'server';
  #base = 0;
  #loss = 0;
  #pending: { at: number; s: Told }[] = [];
  #away: boolean;
  #resting = false;
  #want: Probe | undefined;
  readonly #e: Estimator;

  constructor(seed: number, make: (effort: Effort) => Estimator = (effort) => new Estimator(effort)) {
    this.#seed = Math.imul(seed, 2654435761);
    this.#away = this.#below(5) === 0;
    this.#e = make(this.#effort());
    this.#newPath();
    this.#ask('');
    for (let i = 0; i < 20; i++) {
      this.#act();
      this.#advance(this.#some(50, 200, 600, 1500, 4000));
    }
  }

  #roll(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let x = this.#seed;
    x = Math.imul(x ^ (x >>> 15), 1 | x);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return (x ^ (x >>> 14)) >>> 0;
  }

  #below(n: number): number {
    return this.#roll() % n;
  }

  #some(...choices: number[]): number {
    return choices[this.#below(choices.length)]! * MS + this.#below(1000) * US;
  }

  #effort(): Effort {
    return this.#away ? BACKGROUND : FOREGROUND;
  }

  #newPath(): void {
    this.#base = this.#some(8, 30, 46, 49, 51, 54, 90, 140, 148, 152, 160, 230, 290, 305, 320, 450, 900);
    this.#loss = [0, 0, 0, 5, 20, 80, 200][this.#below(7)]!;
  }

  #rtt(): number {
    let d = Math.trunc(Math.trunc((this.#base * (850 + this.#below(301))) / 1000) / 1000) * 1000;
    if (this.#below(1000) < this.#loss) d += this.#base + 200 * MS;
    return d;
  }

  #tell(s: Told): void {
    this.#tellAt({ ...s, at: this.#now });
  }

  #tellAt(s: Told): void {
    this.#ask(this.#e.observe(s as Sample));
  }

  #ask(refused: Refusal): void {
    const r = this.#e.report(this.#now);
    this.#want = this.#e.wantProbe(this.#now);
    this.#next = this.#e.next(this.#now);
    const probe = this.#want ? this.#want.why + (this.#want.fresh ? ' fresh' : '') : '';
    this.states.push([refused || 'taken', r.level, r.reach, r.reason, probe].join('|'));
    numbers(r, this.#next - this.#now).forEach((x, i) => (this.sums[i]! += x));
  }

  #advance(d: number): void {
    for (const end = this.#now + d; ; ) {
      if (this.#want) {
        this.#begin('ping', this.#want.fresh);
        continue;
      }
      if (this.#now >= end) return;
      let to = Math.min(end, Math.max(this.#next, this.#now + 1));
      let first = -1;
      this.#pending.forEach((p, i) => {
        if (p.at > to || (p.at === to && first >= 0)) return;
        to = Math.max(p.at, this.#now);
        first = i;
      });
      this.#now = to;
      if (first < 0) this.#ask('');
      else this.#tell(this.#pending.splice(first, 1)[0]!.s);
    }
  }

  #begin(source: Source, fresh: boolean): void {
    const id = ++this.#id;
    this.#tell({ kind: 'begin', id, source, fresh });
    let took = this.#rtt();
    let s: Told = { kind: 'failure', id, source };
    let world = this.#world;
    if (world === 'flaky') world = this.#below(3) === 0 ? 'silent' : 'server';
    if (world === 'silent') {
      if (this.#below(8) === 0) return;
      took = 3 * SECOND;
      s = { ...s, cause: 'timeout' };
    } else if (world === 'none') {
      took = MS;
      s = { ...s, cause: 'unreachable' };
    } else if (world === 'server') {
      if (fresh) took *= 3;
      s = { ...s, kind: 'round-trip', rtt: took, fresh };
      if (source === 'call' && this.#below(2) === 0) {
        s = { ...s, server: Math.trunc(Math.trunc((took * this.#below(100)) / 100) / 1000) * 1000 };
      }
    } else s = { ...s, cause: world === 'portal' ? 'portal' : world === 'errors' ? 'server-error' : 'refused' };
    this.#pending.push({ at: this.#now + took, s });
  }

  #act(): void {
    const action = this.#below(32);
    if (action <= 1) this.#newPath();
    else if (action <= 5) {
      const world = WORLDS[this.#below(WORLDS.length)]!;
      this.#world = this.#world !== 'server' && this.#below(2) === 0 ? 'server' : world;
    } else if (action === 6) this.#tell({ kind: 'link', link: LINKS[this.#below(3)]! });
    else if (action === 7) this.#tell({ kind: 'late', took: this.#some(0, 500, 5000, 40_000) });
    else if (action === 8) this.#sleep(this.#some(1500, 5000, 40_000, 150_000));
    else if (action === 9) {
      this.#away = !this.#away;
      this.#e.setEffort(this.#effort());
      this.#ask('');
    } else if (action <= 11) this.#nonsense();
    else if (action === 12) this.#tell({ kind: 'inbound' });
    else if (action <= 14) {
      for (let n = 1 + this.#below(4); n > 0; n--) {
        this.#tell({ kind: 'round-trip', rtt: this.#rtt() * 2, loaded: true });
        this.#now += 50 * MS;
      }
    } else if (action <= 18) {
      for (let n = 1 + this.#below(3); n > 0; n--) this.#begin('call', this.#below(6) === 0);
    } else if (action <= 20) this.#unasked();
    else if (action === 21) {
      const cause = CAUSES[this.#below(5)]!;
      this.#tell({ kind: 'failure', cause, source: SOURCES[this.#below(2)]! });
    } else if (action === 22) this.#again();
    else if (action === 23) this.#set();
    else if (action === 24) {
      this.#resting = !this.#resting;
      this.#e.setProbing(!this.#resting);
      this.#ask('');
    }
  }

  #sleep(d: number): void {
    const from = this.#now;
    this.#now += d;
    for (const p of this.#pending) {
      if (p.at >= this.#now) continue;
      if (p.s.kind === 'round-trip') p.s = { ...p.s, rtt: p.s.rtt! + this.#now - Math.max(p.at, from) };
      p.at = this.#now;
    }
    this.#ask('');
  }

  #unasked(): void {
    for (let n = 1 + this.#below(6); n > 0; n--) {
      const at = this.#now - this.#some(0, 0, 0, 20, 3000, 12_000);
      const rtt = this.#rtt();
      this.#tellAt({ kind: 'round-trip', at, rtt, source: SOURCES[this.#below(2)]! });
      this.#now += this.#some(0, 10, 90);
    }
  }

  #again(): void {
    const n = this.#below(6) === 0 ? 70 : 2;
    const source = SOURCES[this.#below(2)]!;
    for (let i = 0; i < n; i++) {
      this.#tell({ kind: 'begin', id: 1_000_000 + (i >> 1), source });
      this.#tell({ kind: 'begin', id: 2_000_000 + i, source });
    }
    for (let i = 0; i < n; i++) {
      this.#tell({ kind: 'end', id: 1_000_000 + i });
      this.#tell({ kind: 'end', id: 2_000_000 + i });
    }
  }

  #set(): void {
    if (this.#below(2) === 0) {
      this.#now -= 7200 * SECOND;
      this.#pending = [];
      for (let i = 0; i < 3; i++) this.#tell({ kind: 'inbound' });
      return;
    }
    for (let n = 1 + this.#below(3); n > 0; n--) {
      this.#tellAt({ kind: 'inbound', at: this.#now + 400 * 24 * 3600 * SECOND });
    }
  }

  #nonsense(): void {
    const all: Told[] = [
      { kind: 'counters' as Kind },
      { kind: 'round-trip' },
      { kind: 'round-trip', rtt: -MS },
      { kind: 'round-trip', rtt: 121 * SECOND },
      { kind: 'round-trip', rtt: MS, server: MS },
      { kind: 'round-trip', rtt: MS, server: -1 },
      { kind: 'round-trip', rtt: MS, source: 'kernel' as Source },
      { kind: 'begin' },
      { kind: 'failure' },
      { kind: 'failure', id: this.#id },
      { kind: 'link' },
      { kind: 'late', took: -1 },
    ];
    this.#tell(all[this.#below(all.length)]!);
  }
}

function numbers(r: Report, next: number): number[] {
  const { share, low, high } = r.loss;
  const path = [r.rtt ?? 0, r.variation ?? 0, r.tail ?? 0, r.loaded ?? 0, share, low, high];
  return [...path, r.answers, r.confidence, r.age, r.since ?? 0, next];
}
