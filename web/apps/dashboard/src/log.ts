import type { AgentStore, Message } from '@chatsdk/core';

/** How many messages of a channel a page keeps. */
export const KEPT = 300;

/** put takes messages into a list that is ordered by seq and has each once; the oldest go when there are too many. */
export function put(list: readonly Message[], more: readonly Message[]): readonly Message[] {
  const seen = new Set(list.map((m) => m.seq));
  const fresh = more.filter((m) => !seen.has(m.seq) && seen.add(m.seq));
  if (!fresh.length) return list;
  return [...list, ...fresh].sort((a, b) => a.seq - b.seq).slice(-KEPT);
}

/**
 * The messages of one channel as a page shows them: those before, those that arrive, and, whenever the agent's events
 * were interrupted, those that were missed. Works while somebody is subscribed.
 */
export class MessageLog {
  #list: readonly Message[] = [];
  /** Which state of the agent's stream the list is complete for; '' before any. */
  #complete = '';
  /** Up to which seq nothing is missing. What arrives after an interruption, and before what was missed, doesn't raise it. */
  #whole = 0;
  #asking = false;
  readonly #listeners = new Set<() => void>();
  #off: (() => void)[] = [];

  constructor(
    readonly store: AgentStore,
    readonly channel: string,
  ) {}

  readonly getSnapshot = (): readonly Message[] => this.#list;

  readonly subscribe = (listener: () => void): (() => void) => {
    if (!this.#listeners.size) this.#start();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size) return;
      for (const off of this.#off.splice(0)) off();
      this.#complete = '';
    };
  };

  #start(): void {
    const take = (m: Message): void => {
      if (m.channel !== this.channel) return;
      this.#take([m]);
      if (this.#complete === this.#stream()) this.#whole = Math.max(this.#whole, m.seq);
    };
    this.#off = [this.store.onMessage(take), this.store.subscribe(() => void this.#fill())];
    void this.#fill();
  }

  #take(more: readonly Message[]): void {
    const next = put(this.#list, more);
    if (next === this.#list) return;
    this.#list = next;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Names the stream as it is since it was interrupted last. */
  #stream(): string {
    const { run, agentInfo } = this.store.getSnapshot();
    return `${run} ${agentInfo.gaps}`;
  }

  /** Asks for what is missing, once for each time that the stream began anew. */
  async #fill(): Promise<void> {
    const { agent, channels } = this.store.getSnapshot();
    const now = this.#stream();
    if (agent !== 'connected' || this.#asking || now === this.#complete) return;
    this.#asking = true;
    try {
      const newest = channels[this.channel]?.newest ?? 0;
      let after = Math.max(0, this.#whole, newest - KEPT);
      for (;;) {
        const some = await this.store.actions.history(this.channel, after, 100);
        this.#take(some);
        after = some.at(-1)?.seq ?? after;
        if (some.length < 100) break;
      }
      this.#complete = now;
      this.#whole = now === this.#stream() ? Math.max(after, this.#list.at(-1)?.seq ?? 0) : after;
    } catch {
      // The agent's own state tells what is wrong; the next change of it asks again.
    } finally {
      this.#asking = false;
    }
    if (this.#complete === now && this.#listeners.size) void this.#fill();
  }
}
