/** Milliseconds that the client may sleep because an endpoint says so; it would also sleep for an hour. */
const LONGEST_WAIT_MS = 20_000;

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** What `Retry-After` (seconds or a date) or `retry-after-ms` asks for, in milliseconds; 0 without either. */
function requestedWait(headers: Headers): number {
  const milliseconds = Number.parseFloat(headers.get('retry-after-ms') ?? '');
  if (!Number.isNaN(milliseconds)) return milliseconds;
  const after = headers.get('retry-after') ?? '';
  const seconds = Number.parseFloat(after);
  if (!Number.isNaN(seconds)) return seconds * 1000;
  const date = Date.parse(after);
  return Number.isNaN(date) ? 0 : date - Date.now();
}

/**
 * The `fetch` of the API client, with two things that the client lacks: its own timeout ends at the headers, this one
 * holds until the body is read; and an endpoint that asks for a long wait is not waited for (the generation is tried
 * again later instead, without holding a worker meanwhile).
 */
export function limitedFetch(timeoutMs: number, send: Fetch = fetch): Fetch {
  async function limited(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const deadline = AbortSignal.timeout(timeoutMs);
    const signal = init?.signal ? AbortSignal.any([init.signal, deadline]) : deadline;
    const response = await send(input, { ...init, signal });
    if (response.ok || requestedWait(response.headers) <= LONGEST_WAIT_MS) return response;
    const headers = new Headers(response.headers);
    headers.set('x-should-retry', 'false');
    return new Response(response.body, { status: response.status, headers });
  }
  return limited;
}

/** Settles as `work` does, or rejects with what `reject` makes as soon as the signal is aborted. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal, reject: () => Error): Promise<T> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, fail) => {
    onAbort = () => fail(reject());
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
