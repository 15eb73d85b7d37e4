import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Answer, answerFor, refusal } from './clerk/answers.ts';
import { People } from './clerk/people.ts';

/**
 * What may go wrong with one call: refused with 429 or 500, never answered, or its connection cut.
 */
export type ClerkFault = 'rate_limited' | 'error' | 'silent' | 'cut';

/** @returns the fault that meets the call, or null */
export type ClerkFaultPlan = (call: { path: string; number: number }) => ClerkFault | null;

/** A Clerk of one's own: the part of the Backend API that Artifex uses, with users, clock and faults in the hands of a test. */
export interface ClerkServer {
  /** For `CLERK_API_URL`. */
  url: string;
  people: People;
  /** Paths and queries of the calls that reached it, in the order of arrival. */
  calls: string[];
  /** What goes wrong from now on. */
  faults: ClerkFaultPlan;
  /** Told before a call is answered: what happens at Clerk while somebody reads. */
  beforeAnswer: (path: string) => void;
  close(): Promise<void>;
}

interface Options {
  /** The instance's clock. */
  now?: () => Date;
  /** What whoever asks has to show. */
  secretKey?: string;
  /** Calls that are answered in one second; the next ones are 429. */
  callsPerSecond?: number;
}

export const CLERK_SECRET_KEY = 'sk_live_of_the_tests';

export async function startClerkServer({
  now = () => new Date(),
  secretKey = CLERK_SECRET_KEY,
  callsPerSecond = Number.POSITIVE_INFINITY,
}: Options = {}): Promise<ClerkServer> {
  let second = 0;
  let callsInSecond = 0;

  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    const fault = clerk.faults({ path, number: clerk.calls.length });
    clerk.calls.push(path);
    if (fault === 'silent') return;
    if (fault === 'cut') return void request.socket.destroy();
    send(response, answerTo(request, path, fault));
  });

  function answerTo({ headers }: IncomingMessage, path: string, fault: ClerkFault | null): Answer {
    if (headers.authorization !== `Bearer ${secretKey}`) {
      return refusal(401, 'authentication_invalid', 'Unable to authenticate the request.');
    }
    if (fault === 'rate_limited' || isTooMany()) {
      return refusal(429, 'too_many_requests', 'Too many requests. Please try again in a bit.', { 'Retry-After': '1' });
    }
    if (fault === 'error') return refusal(500, 'internal_clerk_error', 'Oops, an unexpected error occurred.');
    clerk.beforeAnswer(path);
    return answerFor(clerk.people, new URL(path, 'http://clerk.invalid'));
  }

  function isTooMany(): boolean {
    const current = Math.floor(Date.now() / 1000);
    if (current !== second) callsInSecond = 0;
    second = current;
    callsInSecond += 1;
    return callsInSecond > callsPerSecond;
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server listens on no port');
  const clerk: ClerkServer = {
    url: `http://127.0.0.1:${address.port}`,
    people: new People(now),
    calls: [],
    faults: () => null,
    beforeAnswer: () => {},
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return clerk;
}

/** The next `times` calls whose path begins so meet the fault. */
export function clerkFailing(prefix: string, fault: ClerkFault, times = 1): ClerkFaultPlan {
  let left = times;
  return ({ path }) => {
    if (left === 0 || !path.startsWith(prefix)) return null;
    left -= 1;
    return fault;
  };
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  // Exactly this type: the SDK takes anything else for text.
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
