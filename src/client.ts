import { hc } from 'hono/client';
import type { AppType } from './app.ts';

/** What `hc` of hono/client may be told besides, such as another `fetch`. */
type ClientOptions = Omit<NonNullable<Parameters<typeof hc>[1]>, 'headers'>;

/**
 * A client whose paths, bodies and answers are typed by the API's own routes (https://hono.dev/docs/guides/rpc).
 *
 * @param token a Clerk session token, or what gives a fresh one for each request
 * @example
 * const api = createClient('http://localhost:8787', () => session.getToken());
 * const made = await api.v1.generations.$post({ query: {}, json: { type: 'text-to-image', prompt: 'A lighthouse' } });
 */
export function createClient(
  baseUrl: string,
  token: string | (() => string | Promise<string>),
  options: ClientOptions = {},
) {
  const headers = async () => ({ Authorization: `Bearer ${typeof token === 'string' ? token : await token()}` });
  return hc<AppType>(baseUrl, { ...options, headers });
}

export type Client = ReturnType<typeof createClient>;
