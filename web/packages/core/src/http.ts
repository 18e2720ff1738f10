import { AgentError } from './actions.js';

export interface Client {
  readonly url: string;
  readonly token: string;
  readonly fetch: typeof fetch | undefined;
}

export interface RequestOptions {
  readonly body?: BodyInit;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** No limit if left out. */
  readonly timeoutMs?: number;
}

/** The code of an answer that tells none. */
export const UNEXPECTED = 'unexpected';

/** Asks the agent; rejects with an AgentError for no answer or one that isn't 2xx. With a body it is a POST. */
export async function request(client: Client, path: string, options: RequestOptions = {}): Promise<Response> {
  const { body, type, timeoutMs } = options;
  let response: Response;
  try {
    response = await (client.fetch ?? fetch)(client.url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { Authorization: `Bearer ${client.token}`, ...(type && { 'Content-Type': type }), ...options.headers },
      body: body ?? null,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error', // the token is for the agent alone
      referrerPolicy: 'no-referrer',
      signal: options.signal ?? (timeoutMs ? AbortSignal.timeout(timeoutMs) : null),
    });
  } catch (error) {
    throw new AgentError('unreachable', 0, String(error));
  }
  if (response.ok) return response;
  const problem = await readText(response, 1 << 16)
    .then((text) => JSON.parse(text) as Record<string, unknown>)
    .catch(() => null);
  const code = String(problem?.['code'] ?? UNEXPECTED);
  throw new AgentError(code, response.status, String(problem?.['detail'] || problem?.['title'] || code));
}

/** Whether a status says that this page isn't let in: the token, its origin, or the name by which it asks. */
export const isRefusal = (status: number): boolean => status === 401 || status === 403 || status === 421;

/** Reads a body of at most `limit` characters. */
export async function readText(response: Response, limit: number): Promise<string> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    if (text.length > limit) {
      void reader.cancel();
      throw new AgentError('too_large', response.status, `more than ${limit} characters`);
    }
  }
}
