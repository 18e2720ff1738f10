// Go's quality.Estimator, in what a page can see: no counters of segments, no handshakes. Held equal to it by the vectors
// of quality/vectors_test.go, so what is changed here or there has to be changed in both. Why each number is what it is
// stands there.
import type { Level, Reach } from '../types.js';
import { LossFilter, LossWindow, nextClass } from './loss.js';
import { RTT_AGE, RTTWindow } from './rtt.js';
import { filled, type Effort } from './effort.js';
import { MINUTE, MS, NEVER, RTO_MIN, SECOND } from './units.js';

export type Source = 'ping' | 'call';
/** How an attempt failed: no answer in time, no network, somebody refused, the server failed, somebody else answered. */
export type Cause = 'timeout' | 'unreachable' | 'refused' | 'server-error' | 'portal';
export type Kind = 'round-trip' | 'begin' | 'end' | 'inbound' | 'failure' | 'link' | 'late';

/** One thing that happened, with times in ns. Which fields count is told by kind. */
export interface Sample {
  readonly kind: Kind;
  readonly at: number;
  /** Names an exchange from its begin to its end; 0 for none. */
  readonly id?: number;
  /** Defaults to a ping. */
  readonly source?: Source;
  readonly rtt?: number;
  /** The server's own time in rtt. */
  readonly server?: number;
  /** Beside a transfer. */
  readonly loaded?: boolean;
  /** On a new connection: no round trip, but a sign of life. */
  readonly fresh?: boolean;
  readonly cause?: Cause;
  readonly link?: 'up' | 'down' | 'changed';
  /** How long nobody looked. */
  readonly took?: number;
}

/** Why a sample was refused; empty if it wasn't. */
export type Refusal = '' | 'kind' | 'clock' | 'rtt' | 'full' | 'id';

export interface Probe {
  readonly why: 'start' | 'spacing' | 'confirm' | 'return';
  /** A new connection would be better: the old one may be dead. */
  readonly fresh: boolean;
}

/** Times in ns, shares from 0 to 1; null where nothing is known. */
export interface Report {
  readonly level: Level;
  readonly reach: Reach;
  readonly reason: string;
  readonly since: number | null;
  readonly rtt: number | null;
  readonly variation: number | null;
  readonly tail: number | null;
  readonly loaded: number | null;
  readonly loss: { readonly share: number; readonly low: number; readonly high: number };
  readonly answers: number;
  readonly confidence: number;
  readonly age: number;
}

const [UNKNOWN, EXCELLENT, , , POOR, OFFLINE] = [0, 1, 2, 3, 4, 5] as const;
const NAMES: readonly Level[] = ['unknown', 'excellent', 'good', 'fair', 'poor', 'offline'];
/** Where levels of latency end. */
const EDGES = [0, 50 * MS, 150 * MS, 300 * MS, Infinity];

const LATE_AFTER = SECOND;
const LONG_GAP = 2 * MINUTE;
const REORDER = 10 * SECOND;
const HELD_UP = MINUTE;
const ABSURD_GAP = 366 * 24 * 60 * MINUTE;
const STRANGERS = 3;
const FORGET_AFTER = 30 * SECOND;
const LONGEST_RTT = 2 * MINUTE;
const MAX_OPEN = 64;
const OPEN_FOR = MINUTE;
const CONFIRM_AFTER = 2;
const FAIL_SPAN = SECOND;
const CALL_TIME = 300 * MS;
const FRESH_TRIPS = 3;
const UNKNOWN_PATH = 500 * MS;
const VARIANCE_G = 50 * MS;
const MARGIN = 1.08;
const HOLD_WORSE = 500 * MS;
const HOLD_BETTER = 3 * SECOND;
const BARE_FOR = 10 * SECOND;
const CHANGED_FOR = 3 * SECOND;
const MAX_CONFIRMS = 8;
const EDGE_CONFIRMS = 3;
const CREDIBLE_TIME = 0.7;
const BURST_LENGTH = 3;
const BURST_GAP = 200 * MS;
const CONFIRM_GAP = 250 * MS;
const MAX_PROBES = 8;
const PATH_EACH = 10 * SECOND;
const CHANGE_HAZARD = 5 * MINUTE;

const CAUSES: readonly unknown[] = ['timeout', 'unreachable', 'refused', 'server-error', 'portal'] satisfies Cause[];
const LINKS: readonly unknown[] = ['up', 'down', 'changed'];
const KINDS: readonly unknown[] = ['round-trip', 'begin', 'end', 'inbound', 'failure', 'link', 'late'] satisfies Kind[];

interface Exchange {
  readonly id: number;
  readonly began: number;
  readonly source: Source;
  readonly fresh: boolean;
}

/** Whether a return is asked for from there. */
const lost = (reach: Reach): boolean => reach === 'offline' || reach === 'captive' || reach === 'server-down';

const levelOf = (rtt: number): number => EDGES.findIndex((edge, l) => l > UNKNOWN && rtt < edge);

/** Turns samples into a report. It has no clock and no timer. */
export class Estimator {
  #effort: Required<Effort>;

  // Time.
  #zero: number | undefined;
  #now!: number;
  #promised!: number; // what next() said, 0 if it wasn't asked
  #strange!: number; // samples in a row from another time

  // The way to the server.
  #reach!: Reach;
  #why!: string;
  #since!: number;
  #newest!: number; // of any evidence
  #open!: Exchange[];
  #missed!: number; // when the first answer was due that timed out in the present silence
  #lastIn!: number; // when somebody was heard
  #quietFrom!: number; // silence before doesn't count
  #portal!: number; // when a portal answered
  #failures!: number; // of the server, in a row
  #firstFail!: number;
  #failProbe!: boolean;
  #awayFrom!: number; // when reach was lost last
  #backFrom = 0; // when the waits for a return began
  #wait = 0; // until the next probe for it; 0 is the effort's first

  // How well data flows.
  readonly #rtt = new RTTWindow();
  readonly #loaded = new RTTWindow();
  readonly #late = new LossWindow();
  readonly #answers = new LossFilter();
  #srtt!: number;
  #rttvar!: number;
  #bare!: number;
  #least!: number;
  #class!: number;
  #latency!: number;
  #level!: number;
  #wanted!: number;
  #wantedAt!: number;
  #changed!: number;
  #confirms!: number;

  // What was probed.
  #resting = false;
  #burst!: number;
  #lastProbe!: number;

  constructor(effort: Effort = {}) {
    this.#effort = filled(effort);
    this.#restart();
  }

  /** Forgets all but the effort: no time is to be trusted. */
  #restart(): void {
    this.#zero = undefined;
    this.#now = this.#promised = this.#strange = this.#quietFrom = this.#firstFail = 0;
    this.#reach = 'unknown';
    this.#why = 'start';
    this.#open = [];
    this.#missed = this.#lastIn = this.#portal = this.#awayFrom = NEVER;
    this.#since = this.#newest = this.#lastProbe = NEVER;
    this.#failures = this.#bare = this.#latency = this.#level = this.#wanted = this.#wantedAt = this.#changed = 0;
    this.#failProbe = this.#resting = false;
    this.#again();
    this.#burst = BURST_LENGTH;
    this.#forget();
  }

  /** Changes the effort; what is known stays. */
  setEffort(effort: Effort): void {
    const was = this.#effort;
    this.#effort = filled(effort);
    for (const key in was) if (was[key as keyof Effort] !== this.#effort[key as keyof Effort]) return this.#again();
  }

  /** Begins the waits for a return anew. */
  #again(): void {
    this.#backFrom = this.#now;
    this.#wait = 0;
  }

  /** The waits for a return: the first, how long it stays, and the longest. */
  #waits(): [number, number, number] {
    const keys = (['offlineIntervalMs', 'offlineForMs', 'offlineMostMs'] as const).map((key) => this.#ns(key));
    const away = (['awayIntervalMs', 'awayForMs', 'awayMostMs'] as const).map((key) => this.#ns(key));
    const [least, stays, most] = this.#reach === 'offline' ? keys : away;
    return [least!, stays!, Math.max(most!, least!)];
  }

  #returnWait(): number {
    return Math.max(this.#wait, this.#waits()[0]);
  }

  #awayWait(): number {
    const away = this.#ns('awayIntervalMs');
    return this.#reach === 'captive' || this.#reach === 'server-down' ? Math.max(away, this.#returnWait()) : away;
  }

  #staleAfter(): number {
    const stale = this.#ns('staleAfterMs');
    return lost(this.#reach) ? Math.max(stale, 3 * this.#returnWait()) : stale;
  }

  /** Says whether wantProbe may ask for probes. */
  setProbing(on: boolean): void {
    this.#resting = !on;
  }

  #ns(key: keyof Effort): number {
    return this.#effort[key] * MS;
  }

  /** Takes a sample. What makes no sense is refused and changes nothing. */
  observe(s: Sample): Refusal {
    const why = this.#arrive(s.at);
    if (!why) {
      const refused = this.#take(s);
      this.#settle();
      return refused;
    }
    this.#end(s);
    return why;
  }

  /** Ends an exchange whose end tells nothing. */
  #end(s: Sample): void {
    if (s.kind === 'round-trip' || s.kind === 'failure' || s.kind === 'end') this.#close(s.id);
  }

  #arrive(at: number): Refusal {
    if (!Number.isFinite(at)) return 'clock';
    this.#zero ??= at;
    const m = at - this.#zero;
    if (m >= this.#now - REORDER && m <= this.#now + ABSURD_GAP) {
      this.#strange = 0;
      this.#look(at);
      return '';
    }
    if ((m < this.#now - HELD_UP || m >= this.#now) && ++this.#strange >= STRANGERS) this.#restart();
    return 'clock';
  }

  /** Moves the time forward and notices a sleep. */
  #look(at: number): void {
    if (this.#zero === undefined) return;
    const m = at - this.#zero;
    if (!(m > this.#now && m <= this.#now + ABSURD_GAP)) return;
    const slept = m - this.#now > LONG_GAP || (this.#promised > 0 && m > this.#promised + LATE_AFTER);
    const from = Math.max(this.#promised, this.#now);
    this.#now = m;
    if (slept) this.#overslept(m - from);
    if (m >= this.#promised) this.#promised = 0;
  }

  /** Nobody looked for so long: silence meanwhile is our own. */
  #overslept(took: number): void {
    this.#quietFrom = this.#now;
    this.#suspect();
    if (took < FORGET_AFTER) return;
    this.#forget();
    this.#again();
    this.#burst = BURST_LENGTH;
  }

  #suspect(): void {
    this.#burst = Math.max(this.#burst, 1);
  }

  #check(s: Sample): Refusal {
    const { rtt = 0, server = 0, took = 0 } = s;
    if (!KINDS.includes(s.kind) || (s.source && s.source !== 'ping' && s.source !== 'call')) return 'kind';
    if (s.kind === 'failure' && !CAUSES.includes(s.cause)) return 'kind';
    if (s.kind === 'link' && !LINKS.includes(s.link)) return 'kind';
    if (s.kind === 'begin' && !s.id) return 'id';
    if (s.kind === 'late' && !(took >= 0)) return 'clock';
    if (s.kind === 'round-trip' && !(rtt > 0 && rtt <= LONGEST_RTT && server >= 0 && server < rtt)) return 'rtt';
    return '';
  }

  #take(s: Sample): Refusal {
    const why = this.#check(s);
    if (why) this.#end(s);
    else if (s.kind === 'round-trip') this.#roundTrip(s);
    else if (s.kind === 'begin') return this.#begin(s);
    else if (s.kind === 'end') this.#close(s.id);
    else if (s.kind === 'inbound') this.#inbound();
    else if (s.kind === 'failure') this.#failure(s);
    else if (s.kind === 'late') this.#overslept(s.took ?? 0);
    else if (s.link === 'down') this.#offline('link down');
    else this.#newNetwork();
    return why;
  }

  #begin({ id, source = 'ping', fresh = false }: Sample): Refusal {
    this.#close(id);
    if (this.#open.length >= MAX_OPEN - (source === 'ping' ? 0 : MAX_PROBES)) return 'full';
    this.#open.push({ id: id!, began: this.#now, source, fresh });
    if (source !== 'ping') return '';
    this.#lastProbe = this.#now;
    this.#burst = Math.max(this.#burst - 1, 0);
    if (lost(this.#reach)) {
      const [least, stays, most] = this.#waits();
      this.#wait = Math.max(this.#wait, least);
      if (this.#now - this.#backFrom > stays) this.#wait = Math.min(this.#wait + Math.trunc(this.#wait / 2), most);
    }
    return '';
  }

  #close(id = 0): Exchange | undefined {
    const at = id ? this.#open.findIndex((x) => x.id === id) : -1;
    return at < 0 ? undefined : this.#open.splice(at, 1)[0];
  }

  #newNetwork(): void {
    this.#forget();
    this.#again();
    this.#open = [];
    this.#missed = NEVER;
    this.#quietFrom = this.#changed = this.#now;
    this.#burst = BURST_LENGTH;
  }

  /** Drops what was measured: the network may be another one. */
  #forget(): void {
    this.#rtt.clear();
    this.#loaded.clear();
    this.#late.clear();
    this.#answers.clear();
    this.#class = this.#srtt = this.#rttvar = this.#confirms = this.#least = 0;
  }

  #somebody(): void {
    this.#lastIn = this.#newest = this.#now;
    this.#missed = NEVER;
  }

  #inbound(): void {
    this.#somebody();
    this.#failures = 0;
    this.#failProbe = false;
    if (this.#reach === 'online') return;
    // It may be another network, and what was late was late by the outage.
    if (this.#reach !== 'unknown') this.#forget();
    this.#burst = BURST_LENGTH;
    this.#setReach('online', '');
  }

  #setReach(reach: Reach, why: string): void {
    this.#why = why;
    if (this.#reach === reach) return;
    if (this.#reach === 'online') this.#awayFrom = this.#now;
    // A portal may refuse at times, and a server be behind one: that is one wait.
    const away = (r: Reach): boolean => r === 'captive' || r === 'server-down';
    if (!away(this.#reach) || !away(reach)) this.#again();
    this.#reach = reach;
    this.#since = this.#now;
  }

  #offline(why: string): void {
    this.#newest = this.#now;
    this.#setReach('offline', why);
  }

  #failure({ id, cause, source = 'ping' }: Sample): void {
    const x = this.#close(id);
    if (cause === 'timeout') {
      const due = x ? this.#due(x) : this.#now;
      const counts = this.#tells(x?.fresh && x.source === 'ping') && due >= this.#lastIn;
      if (counts && (this.#missed === NEVER || due < this.#missed)) this.#missed = due;
    } else if (cause === 'unreachable') this.#offline('unreachable');
    else if (cause === 'portal') {
      this.#somebody();
      this.#failures = 0;
      this.#portal = this.#now;
      this.#setReach('captive', 'portal');
    } else this.#serverFailed(source, cause === 'refused' ? 'refused' : 'server error');
  }

  #serverFailed(source: Source, why: string): void {
    this.#somebody();
    // Portals refuse, too.
    if (this.#reach === 'captive' && this.#now - this.#portal < 3 * this.#awayWait()) return;
    if (++this.#failures === 1) {
      this.#firstFail = this.#now;
      this.#suspect();
    }
    this.#failProbe ||= source === 'ping';
    const told = this.#failProbe || this.#now - this.#firstFail >= FAIL_SPAN;
    if (this.#failures >= CONFIRM_AFTER && told) this.#setReach('server-down', why);
  }

  /** SRTT, or what is taken for it. */
  #guess(): number {
    return this.#srtt || UNKNOWN_PATH;
  }

  #answerBy(): number {
    return this.#srtt ? this.#srtt + Math.max(4 * this.#rttvar, VARIANCE_G) : 2 * UNKNOWN_PATH;
  }

  /** When the answer of an exchange is late by more than chance. */
  #due(x: Exchange): number {
    const call = x.source === 'ping' ? 0 : CALL_TIME;
    const fresh = x.fresh ? (FRESH_TRIPS - 1) * this.#guess() : 0;
    return Math.max(x.began, this.#quietFrom) + this.#answerBy() + call + fresh;
  }

  /** Behind a portal, and without a server, connections from before are silent by themselves. */
  #tells(freshPing: boolean | undefined): boolean {
    return freshPing || (this.#reach !== 'captive' && this.#reach !== 'server-down');
  }

  /** When the oldest answer that nothing was heard after was due, or never. */
  #overdue(): number {
    let first = this.#missed === NEVER ? NEVER : Math.max(this.#missed, this.#quietFrom);
    for (const x of this.#open) {
      const due = this.#due(x);
      const counts = this.#tells(x.fresh && x.source === 'ping') && due >= this.#lastIn;
      if (counts && (first === NEVER || due < first)) first = due;
    }
    return first;
  }

  #patience(): number {
    const least = this.#ns('patienceMs');
    const lossy = this.#class > 1 ? 7 * (this.#guess() + RTO_MIN) : 0;
    return Math.min(Math.max(least, this.#answerBy() + Math.trunc(least / 2), lossy), 10 * SECOND);
  }

  #silence(): void {
    const due = this.#overdue();
    if (due === NEVER || this.#now < due) return;
    if (this.#reach === 'offline') this.#newest = this.#now; // still silent
    else if (this.#now >= due + this.#patience()) this.#offline('silence');
  }

  /** Does what is due by the present time. */
  #settle(): void {
    while (this.#open.length && this.#now - this.#open[0]!.began > OPEN_FOR) this.#open.shift();
    this.#silence();
    if (this.#newest !== NEVER && this.#now - this.#newest > this.#staleAfter()) {
      this.#setReach('unknown', 'evidence too old');
    }
    const age = Math.max(RTT_AGE, 8 * this.#ns('probeIntervalMs'));
    this.#rtt.expire(this.#now, age);
    this.#loaded.expire(this.#now, age);
    this.#late.expire(this.#now);
    this.#setLevel();
  }

  #roundTrip(s: Sample): void {
    const [rtt, told] = this.#withoutServer(s);
    const { source = 'ping' } = s;
    const began = this.#now - s.rtt!;
    this.#close(s.id);
    this.#inbound();
    // With the set-up of its connection in it, or held up by an outage.
    if (s.fresh || began < this.#awayFrom) return;
    if (s.loaded) {
      this.#loaded.add(this.#now, rtt);
      return;
    }
    const bare = source === 'ping' || told;
    // An upper bound, where better is known.
    if (!bare && this.#bare > 0 && this.#now - this.#bare < BARE_FOR) return;
    if (bare) this.#bare = this.#now;
    this.#measured(rtt);
  }

  /** A round trip without the server's own time, as far as that is credible, and whether it was told. */
  #withoutServer({ rtt = 0, server = 0, fresh, source }: Sample): [rtt: number, told: boolean] {
    if (!fresh && (rtt < this.#least || (!this.#least && source !== 'call'))) this.#least = rtt;
    const left = rtt - server;
    if (left < Math.trunc(CREDIBLE_TIME * this.#least)) return [Math.min(this.#least, rtt), false];
    return [left, server > 0];
  }

  #measured(rtt: number): void {
    const { own, late } = this.#rtt.add(this.#now, rtt);
    this.#countLate(own, late);
    if (!late) this.#smooth(rtt);
    if (this.#rtt.cut()) {
      this.#late.retract(this.#rtt.oldestAt);
      this.#answers.clear(); // what looked late was a longer path
      this.#srtt = this.#rtt.usual();
      this.#rttvar = Math.trunc(this.#srtt / 4);
    }
    if (levelOf(rtt) === this.#latency || this.#latency === UNKNOWN) {
      this.#confirms = 0;
      return;
    }
    if (this.#confirms >= (this.#margined(rtt) === this.#latency ? EDGE_CONFIRMS : MAX_CONFIRMS)) return;
    this.#confirms++;
    this.#suspect();
  }

  /** RFC 6298, section 2. */
  #smooth(rtt: number): void {
    if (!this.#srtt) {
      this.#srtt = rtt;
      this.#rttvar = Math.trunc(rtt / 2);
      return;
    }
    this.#rttvar += Math.trunc((Math.abs(this.#srtt - rtt) - this.#rttvar) / 4);
    this.#srtt += Math.trunc((rtt - this.#srtt) / 8);
  }

  #countLate(own: boolean, late: boolean): void {
    // It came together with others: one loss held up all of them.
    if (!own && (!late || this.#late.n <= this.#late.k)) return;
    this.#late.add(this.#now, +own, +late);
    this.#answers.add(this.#now, +own, +late);
  }

  /** The level of a time, or the present one as long as it is within its margin. */
  #margined(rtt: number): number {
    const l = levelOf(rtt);
    if (this.#latency === UNKNOWN || l === this.#latency) return l;
    return l > this.#latency
      ? Math.max(levelOf(Math.trunc(rtt / MARGIN)), this.#latency)
      : Math.min(levelOf(Math.trunc(rtt * MARGIN)), this.#latency);
  }

  /** Where the level's round-trip time comes from. */
  #window(): RTTWindow | undefined {
    const young = Math.max(this.#ns('staleAfterMs'), BARE_FOR);
    return [this.#rtt, this.#loaded].find((w) => w.n > 0 && this.#now - w.newestAt <= young);
  }

  /** Follows what is known, with patience. */
  #setLevel(): void {
    const [level, hold] = this.#seen();
    if (level === this.#level) {
      this.#wanted = level;
      return;
    }
    if (hold) {
      const better = level < this.#level;
      if (this.#wanted === this.#level || this.#wanted < this.#level !== better) this.#wantedAt = this.#now;
      this.#wanted = level;
      if (this.#now < this.#wantedAt + this.#hold()) return;
    }
    this.#level = this.#wanted = level;
    this.#since = this.#now;
  }

  #hold(): number {
    return this.#wanted < this.#level ? HOLD_BETTER : HOLD_WORSE;
  }

  /** The level that the evidence speaks for, and whether that may wait. */
  #seen(): [level: number, hold: boolean] {
    const w = this.#reach === 'online' && this.#window();
    if (!w) {
      this.#latency = UNKNOWN;
      if (this.#reach !== 'online') return [this.#reach === 'offline' ? OFFLINE : UNKNOWN, false];
      const before = this.#changed > 0 && this.#now < this.#changed + CHANGED_FOR && this.#level !== OFFLINE;
      return [before ? this.#level : UNKNOWN, false];
    }
    this.#latency = this.#margined(w.usual());
    const hold = this.#level !== UNKNOWN && this.#level !== OFFLINE && this.#changed === 0;
    this.#changed = 0; // what is told from here on was measured on the new network
    this.#class = nextClass(this.#class, this.#answers.posterior(this.#now));
    return [Math.max(this.#latency, EXCELLENT + this.#class), hold];
  }

  /** Says what is known at a time. */
  report(at: number): Report {
    this.#look(at);
    this.#settle();
    const has = this.#rtt.n > 0;
    return {
      level: NAMES[this.#level]!,
      reach: this.#reach,
      reason: this.#reason(),
      since: this.#since === NEVER ? null : this.#zero! + this.#since,
      rtt: has ? this.#rtt.usual() : null,
      variation: has ? this.#rtt.variation() : null,
      tail: has ? this.#rtt.tail() : null,
      loaded: this.#loaded.n ? this.#loaded.usual() : null,
      loss: this.#late.report(),
      answers: this.#late.n,
      confidence: this.#confidence(),
      age: this.#newest === NEVER ? 0 : this.#now - this.#newest,
    };
  }

  #reason(): string {
    if (this.#reach !== 'online') return this.#why;
    if (this.#level === UNKNOWN) return 'measuring';
    const w = this.#window();
    if (!w) return 'network changed';
    if (this.#class > this.#latency - EXCELLENT) return 'loss';
    return w === this.#loaded ? 'load' : 'rtt';
  }

  /** The probability that level and reach are right. */
  #confidence(): number {
    if (this.#newest === NEVER || this.#reach === 'unknown') return 0;
    const fresh = Math.exp(-(this.#now - this.#newest) / CHANGE_HAZARD);
    if (this.#reach === 'captive') return 0.99 * fresh;
    if (this.#reach === 'server-down') return 0.98 * fresh;
    const due = this.#overdue();
    if (this.#reach === 'offline') return this.#why === 'silence' ? this.#silenceConfidence(due) : 0.97 * fresh;
    const p = this.#levelConfidence() * fresh;
    return due !== NEVER && this.#now >= due ? p / 2 : p;
  }

  #silenceConfidence(due: number): number {
    if (due === NEVER) return 0.97;
    const silent = Math.max(0, this.#now - due);
    const timeouts = Math.log2(silent / (this.#guess() + RTO_MIN) + 1);
    const p = Math.min(Math.max(2 * this.#late.report().share, 0.02), 0.9);
    return 1 - Math.min(0.5, p ** timeouts);
  }

  #levelConfidence(): number {
    const w = this.#window();
    if (!w || this.#level < EXCELLENT || this.#level > POOR) return 0.3; // nothing but what was before
    const post = this.#answers.posterior(this.#now);
    const upTo = (l: number): number => {
      let loss = 0;
      for (const p of post.slice(0, l)) loss += p;
      return loss * w.below(EDGES[l]!);
    };
    let p = upTo(this.#level);
    if (this.#level > EXCELLENT) p -= upTo(this.#level - 1);
    if (this.#confirms > 0) p *= 0.7; // a sample spoke against it
    return Math.min(Math.max(p, 0), 1);
  }

  /** The probe that should be made now, if one should. It says so until the probe's begin is told. */
  wantProbe(at: number): Probe | undefined {
    this.#look(at);
    this.#settle();
    const [probe, when] = this.#nextProbe();
    return when !== NEVER && when <= this.#now ? probe : undefined;
  }

  #nextProbe(): [probe: Probe, when: number] {
    const start: Probe = { why: 'start', fresh: false };
    const probes = this.#open.filter((x) => x.source === 'ping').length;
    if (this.#resting || probes >= MAX_PROBES || this.#open.length === MAX_OPEN) return [start, NEVER];
    if (this.#lastProbe === NEVER) return [start, this.#now];
    const online = this.#reach === 'online';
    let [probe, when] = this.#regular();
    if (this.#burst > 0 && this.#lastProbe + BURST_GAP < when) {
      probe = { why: this.#rtt.n ? 'confirm' : 'start', fresh: !online };
      when = this.#lastProbe + BURST_GAP;
    }
    const due = this.#overdue();
    if (due === NEVER || !online) return [probe, when];
    const again = this.#lastProbe >= due;
    const soon = again ? this.#lastProbe + CONFIRM_GAP : due;
    return soon < when ? [{ why: 'confirm', fresh: again }, soon] : [probe, when];
  }

  /** The probe that the state asks for by itself. */
  #regular(): [probe: Probe, when: number] {
    const [every, away] = [this.#ns('probeIntervalMs'), this.#ns('awayIntervalMs')];
    const back: Probe = { why: 'return', fresh: true };
    switch (this.#reach) {
      case 'offline':
      case 'captive':
      case 'server-down':
        return [back, this.#lastProbe + this.#returnWait()];
      case 'unknown':
        return [{ why: 'start', fresh: true }, this.#lastProbe + Math.min(away, every)];
    }
    let heard = Math.max(this.#lastIn, this.#lastProbe) + every;
    const w = this.#window();
    if (!w || (w !== this.#loaded && this.#now - this.#bare >= PATH_EACH)) {
      heard = Math.min(heard, this.#lastProbe + Math.max(every, PATH_EACH));
    }
    return [{ why: 'spacing', fresh: false }, heard];
  }

  /** When to come back if nothing happens until then. It is after the given time. */
  next(at: number): number {
    this.#look(at);
    this.#settle();
    if (this.#zero === undefined) return at + this.#ns('probeIntervalMs');
    let next = this.#now + MINUTE; // windows age
    const sooner = (when: number): void => {
      if (when > this.#now) next = Math.min(next, when);
    };
    const due = this.#overdue();
    sooner(due);
    sooner(due + this.#patience());
    sooner(this.#newest + this.#staleAfter() + 1);
    if (this.#wanted !== this.#level) sooner(this.#wantedAt + this.#hold());
    if (this.#changed > 0) sooner(this.#changed + CHANGED_FOR);
    const [, when] = this.#nextProbe();
    if (when !== NEVER) sooner(Math.max(when, this.#now + MS));
    this.#promised = next;
    return this.#zero + next;
  }
}
