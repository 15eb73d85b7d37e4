import type { UserJSON } from '@clerk/backend';
import type { People } from './people.ts';

export interface Answer {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

/** Whoever asks for more gets the default. */
const MAX_LIMIT = 500;
const DEFAULT_LIMIT = 10;

/** The part of the Backend API that is asked: users by list, by number and by id (https://clerk.com/docs/reference/backend-api/tag/users). */
export function answerFor(people: People, { pathname, searchParams }: URL): Answer {
  if (pathname === '/v1/jwks') return { status: 200, body: { keys: people.signingKeys } };
  if (pathname === '/v1/users') return { status: 200, body: page(people, searchParams) };
  if (pathname === '/v1/users/count') {
    return { status: 200, body: { object: 'total_count', total_count: matching(people, searchParams).length } };
  }
  const [, id] = /^\/v1\/users\/([^/]+)$/.exec(pathname) ?? [];
  const user = id === undefined ? undefined : people.find(decodeURIComponent(id));
  return user ? { status: 200, body: user } : refusal(404, 'resource_not_found', 'not found');
}

export function refusal(status: number, code: string, message: string, headers: Record<string, string> = {}): Answer {
  const body = { errors: [{ message, long_message: message, code }], clerk_trace_id: crypto.randomUUID() };
  return { status, body, headers };
}

function page(people: People, params: URLSearchParams): UserJSON[] {
  const found = matching(people, params);
  const order = params.get('order_by') ?? '-created_at';
  if (!/^[+-]?created_at$/.test(order)) throw new Error(`Nobody orders by ${order}`);
  const ordered = order.startsWith('-') ? found.reverse() : found;
  const wanted = Number(params.get('limit') ?? DEFAULT_LIMIT);
  const limit = wanted > MAX_LIMIT ? DEFAULT_LIMIT : wanted;
  const offset = Number(params.get('offset') ?? 0);
  return ordered.slice(offset, offset + limit);
}

function matching(people: People, params: URLSearchParams): UserJSON[] {
  const ids = new Set(params.getAll('user_id'));
  const after = Number(params.get('created_at_after') ?? Number.NEGATIVE_INFINITY);
  return people.all().filter(({ id, created_at }) => (ids.size === 0 || ids.has(id)) && created_at > after);
}
