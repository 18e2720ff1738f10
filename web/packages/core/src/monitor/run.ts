import { ask, type Outcome } from './ask.js';
import type { Effort } from './effort.js';
import type { Environment, Hint } from './environment.js';
import type { Estimator, Report, Sample } from './estimator.js';
import { MS, SECOND } from './units.js';

export interface RunOptions {
  readonly url: string;
  readonly timeoutMs: number;
  readonly visible: Effort;
  /** Null makes no probes. */
  readonly hidden: Effort | null;
}

/** Of the six connections that a browser has for a server (HTTP/1.1), the application needs some. */
const MAX_PROBES = 4;
/** How many times longer a patient probe waits. */
const PATIENT = 2;
/** With so many probes under way, look again after this. */
const STUCK_MS = 100;
/** A connection that was idle for longer may have been closed: many servers do it after 5 s. */
const WARM_FOR = 4 * SECOND;
/** How far the clock on the wall must run ahead to mean that the machine slept, and how often that is looked at. */
const WAKE_JUMP_MS = 2000;
const WAKE_EVERY_MS = 10_000;
/** After a sleep so long, the network is most likely another one. */
const FORGET_AFTER_MS = 30_000;
/** While an answer is waited for, this looks whether the page is too busy to take it. */
const PULSE_MS = 50;
const BUSY = 100 * MS;
/** A page that is always busy has to do with the times it gets. */
const BUSY_AT_MOST = 10 * SECOND;
/** How long the browser's own time of a request is waited for: it comes some ms after the answer. */
const TIMED_MS = 100;

type Publish = (report: Report, now: number) => void;

interface Flight {
  readonly began: number;
  readonly control: AbortController;
  /** How many others were under way. */
  readonly place: number;
  /** It may have needed a new connection, whose set-up is no round trip. */
  readonly cold: boolean;
  /** It waits for longer: on a long path, the set-up takes three round trips. One of those that are cold is enough. */
  readonly patient: boolean;
}

/** What a monitor does between its start and its stop: it owns the timers and the probes. */
export class Run {
  readonly #env: Environment;
  readonly #e: Estimator;
  readonly #options: RunOptions;
  readonly #signal: AbortSignal;
  readonly #publish: Publish;
  readonly #flights = new Map<number, Flight>();
  /** Who waits for the browser's own time of a request, by its address. */
  readonly #untimed = new Map<string, (ms: number) => void>();
  readonly #times: boolean;
  #told = false; // such times come, too late only where the page is busy
  #id = 0;
  #timer: unknown;
  #pulseTimer: unknown;
  #pulsed = 0;
  #busy = -Infinity; // when the page was busy last
  #measured = -Infinity;
  /** When so many connections, and one more, were seen open last. */
  #warm: number[] = [];
  #paused = false;
  #wall: number;
  #mono: number;

  constructor(env: Environment, e: Estimator, options: RunOptions, signal: AbortSignal, publish: Publish) {
    this.#env = env;
    this.#e = e;
    this.#options = options;
    this.#signal = signal;
    this.#publish = publish;
    this.#wall = env.wall();
    this.#mono = env.now();
    signal.addEventListener('abort', () => this.#end());
    env.listen((event) => this.hint(event), signal);
    this.#times = env.timings((url, ms) => this.#untimed.get(url)?.(ms), signal);
    this.#look();
    this.#tick();
  }

  #now(): number {
    return Math.round(this.#env.now() * MS);
  }

  /** Takes what the page is told. It proves nothing, and is a reason to find out. */
  hint(event?: Hint): void {
    if (event === 'visibilitychange') this.#look();
    if (event === 'online') {
      this.#abandon(); // they went to the network before
      this.#e.observe({ kind: 'link', link: 'changed', at: this.#now() });
    }
    if (!this.#paused && this.#flights.size < MAX_PROBES) this.#launch(false, this.#now());
    this.#tick();
  }

  /** Takes a sample of the application's. */
  tell(sample: Omit<Sample, 'at'>): boolean {
    const taken = !this.#e.observe({ ...sample, at: this.#now() });
    this.#tick();
    return taken;
  }

  #look(): void {
    const effort = this.#env.hidden() ? this.#options.hidden : this.#options.visible;
    this.#paused = !effort;
    this.#e.setProbing(!this.#paused);
    if (effort) this.#e.setEffort(effort);
  }

  #tick(): void {
    if (this.#signal.aborted) return;
    this.#env.clearTimeout(this.#timer);
    this.#noticeWake();
    // First this: what draws it may take a while, and a probe that is out would wait for that.
    this.#publish(this.#e.report(this.#now()), this.#now());
    if (this.#signal.aborted) return;
    const now = this.#now();
    for (;;) {
      const probe = this.#e.wantProbe(now);
      if (!probe || !this.#room(now) || !this.#launch(probe.fresh, now)) break;
    }
    const wait = Math.min((this.#e.next(now) - now) / MS, WAKE_EVERY_MS);
    const least = this.#flights.size < MAX_PROBES ? 0 : STUCK_MS;
    this.#timer = this.#env.setTimeout(() => this.#tick(), Math.ceil(Math.max(wait, least)));
  }

  /** Makes room for a probe: what went out in an outage mustn't hold up the one that finds its end. */
  #room(now: number): boolean {
    if (this.#flights.size < MAX_PROBES) return true;
    const oldest = [...this.#flights].find(([, f]) => !f.patient);
    if (!oldest || this.#e.report(now).reach !== 'offline') return false;
    const [id, { began, control }] = oldest;
    if (now - began < (this.#options.timeoutMs / 2) * MS) return false;
    this.#flights.delete(id);
    control.abort();
    this.#e.observe({ kind: 'failure', id, cause: 'timeout', at: now });
    return true;
  }

  /** The clock on the wall went on while the other one stood still: the machine slept. */
  #noticeWake(): void {
    const [wall, mono] = [this.#env.wall(), this.#env.now()];
    const slept = wall - this.#wall - (mono - this.#mono);
    this.#wall = wall;
    this.#mono = mono;
    if (slept <= WAKE_JUMP_MS) return;
    if (slept >= FORGET_AFTER_MS) this.#abandon();
    this.#e.observe({ kind: 'late', took: slept * MS, at: this.#now() });
  }

  #launch(fresh: boolean, now: number): boolean {
    const place = this.#flights.size;
    const cold = fresh || !(now - this.#warm[place]! < WARM_FOR);
    const id = ++this.#id;
    if (this.#e.observe({ kind: 'begin', id, at: now, fresh: cold })) return false;
    const control = new AbortController();
    const patient = cold && ![...this.#flights.values()].some((f) => f.patient);
    this.#flights.set(id, { began: now, control, place, cold, patient });
    if (!place) this.#pulse(now);
    const timeoutMs = this.#options.timeoutMs * (patient ? PATIENT : 1);
    const challenge = this.#env.challenge();
    const { url } = this.#options;
    const address = `${url}${url.includes('?') ? '&' : '?'}c=${challenge}`;
    void ask(this.#env, address, challenge, timeoutMs, control.signal).then(async (outcome) => {
      const came = this.#now();
      this.#land(id, outcome, came, outcome || !this.#times ? NaN : await this.#timed(address));
    });
    return true;
  }

  /** The ms that the browser itself timed of a request that was answered; NaN if it doesn't say. */
  #timed(address: string): Promise<number> {
    return new Promise((resolve) => {
      const end = (ms: number): void => {
        this.#env.clearTimeout(timer);
        this.#untimed.delete(address);
        resolve(ms);
      };
      const timer = this.#env.setTimeout(() => end(NaN), TIMED_MS);
      this.#untimed.set(address, end);
    });
  }

  #land(id: number, outcome: Outcome, came: number, timedMs: number): void {
    const flight = this.#flights.get(id);
    const now = this.#now();
    if (!flight) return; // it was given up
    this.#flights.delete(id);
    // Neither the page's own work nor a connection's set-up is in what the browser timed. A coarse clock makes 0 of it at times.
    const isTimed = timedMs >= 0 && timedMs * MS <= came - flight.began;
    this.#told ||= isTimed;
    if (outcome) {
      this.#warm = [];
      this.#e.observe({ kind: 'failure', id, cause: outcome, at: now });
    } else {
      // Those that are still out went out while nothing came back.
      if (this.#e.report(now).reach !== 'online') this.#abandon();
      this.#warm[flight.place] = this.#warm[0] = now;
      const fresh = !isTimed && (flight.cold || this.#wasBusy(flight, came));
      const rtt = Math.max(isTimed ? Math.round(timedMs * MS) : came - flight.began, 1);
      this.#e.observe({ kind: 'round-trip', id, rtt, fresh, at: now });
      if (!fresh) this.#measured = now;
    }
    this.#tick();
    // The connection is there now: what it takes without its set-up is known a round trip later.
    if (!outcome && flight.cold && !isTimed && !this.#flights.size && !this.#paused && !this.#signal.aborted) {
      this.#launch(false, this.#now());
      this.#tick();
    }
  }

  /** Says whether an answer may have waited for the page, which was busy with something else. */
  #wasBusy({ began }: Flight, now: number): boolean {
    const late = this.#told || this.#busy >= began || now - this.#pulsed > BUSY + PULSE_MS * MS;
    return late && !this.#env.hidden() && now - this.#measured < BUSY_AT_MOST;
  }

  #pulse(now: number): void {
    this.#pulsed = now;
    this.#env.clearTimeout(this.#pulseTimer);
    this.#pulseTimer = this.#env.setTimeout(() => {
      if (!this.#flights.size) return;
      const then = this.#now();
      if (then - this.#pulsed > BUSY + PULSE_MS * MS) this.#busy = then;
      this.#pulse(then);
    }, PULSE_MS);
  }

  /** Gives up the probes under way, and the connections that were seen. */
  #abandon(): void {
    this.#warm = [];
    for (const [id, { control }] of this.#flights) {
      control.abort();
      this.#e.observe({ kind: 'end', id, at: this.#now() });
    }
    this.#flights.clear();
  }

  #end(): void {
    this.#abandon();
    for (const end of this.#untimed.values()) end(NaN);
    this.#env.clearTimeout(this.#timer);
    this.#env.clearTimeout(this.#pulseTimer);
  }
}
