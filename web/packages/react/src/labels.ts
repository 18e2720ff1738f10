import { LEVELS, type Status } from '@chatsdk/core';

/** The texts of one status. One without `next` has no banner. */
export interface StatusLabels {
  readonly label: string;
  /** What is being done about it, beside the indicator's label. */
  readonly detail?: string;
  /** For the banner: what happens next, or what to do. */
  readonly next?: string;
}

/** All texts. */
export interface Labels {
  /** What the labels are about, for those who hear them: "Connection: Good". */
  readonly connection: string;
  readonly status: Readonly<Record<Status, StatusLabels>>;
  readonly latency: (ms: number) => string;
  readonly retryIn: (seconds: number) => string;
  readonly retrying: string;
  readonly waiting: (messages: number) => string;
  readonly signIn: string;
  readonly retryNow: string;
}

/** Texts that replace some of the others. */
export type LabelOverrides = Partial<Omit<Labels, 'status'>> & {
  readonly status?: { readonly [S in Status]?: Partial<StatusLabels> };
};

const OFFLINE = LEVELS.offline.label;
const RECONNECTING = 'Reconnecting…';

export const defaultLabels: Labels = {
  connection: 'Connection',
  status: {
    ...LEVELS,
    offline: {
      label: OFFLINE,
      detail: RECONNECTING,
      next: 'It goes on by itself when the network is back.',
    },
    reconnecting: {
      label: RECONNECTING,
      next: 'The connection was lost; a new one is set up.',
    },
    suspended: {
      label: OFFLINE,
      detail: 'Still trying…',
      next: 'No connection for a while; it is still tried.',
    },
    failed: {
      label: 'Connection failed',
      next: 'It isn’t tried again: load the page anew.',
    },
    'signed-out': {
      label: 'Signed out',
      next: 'Sign in to send and receive again.',
    },
    captive: {
      label: 'Network sign-in needed',
      next: 'Open the sign-in page of this network; then it goes on by itself.',
    },
    'server-down': {
      label: 'Server not answering',
      detail: RECONNECTING,
      next: 'Your network works. It goes on by itself when the server is back.',
    },
    'agent-lost': {
      label: 'Chat program not running',
      next: 'You see what was known last. Start the program to go on.',
    },
    'agent-refused': {
      label: 'Page not let in',
      next: 'Open the link that the chat program showed.',
    },
    'agent-incompatible': {
      label: 'Versions differ',
      next: 'Load the page anew, or update the chat program.',
    },
  },
  latency: (ms) => `${ms} ms`,
  retryIn: (seconds) => `Next try in ${seconds}\u00a0s.`,
  retrying: 'Trying now…',
  waiting: (n) => (n === 1 ? '1 message waits' : `${n} messages wait`) + ' to be sent.',
  signIn: 'Sign in',
  retryNow: 'Try now',
};

/** withLabels puts some texts over others. */
export function withLabels<T extends object>(labels: T, over: object | undefined): T {
  const merged = { ...labels } as Record<string, unknown>;
  for (const [key, value] of Object.entries(over ?? {})) {
    merged[key] = typeof value === 'object' ? withLabels(merged[key] as object, value as object) : value;
  }
  return merged as T;
}
