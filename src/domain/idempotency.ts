import { ArtifexError } from './errors.ts';

/** What makes a request recognisable when it is sent again. */
export interface Idempotency {
  /** Hash of the owner and the caller's key: keys belong to one user. */
  key: string;
  /** Hash of the route and the body as parsed: the same key may not ask for something else. */
  fingerprint: string;
}

/**
 * @param owner whose key it is: a user by Clerk's id, or an administrator together with the account that they act on, so that a key
 * never stands for two accounts
 * @param key the caller's own words; without any, the request is like no other
 */
export async function idempotencyOf(
  owner: string | readonly [administrator: string, account: string],
  key: string | undefined,
  request: { route: string; body: unknown },
): Promise<Idempotency | undefined> {
  if (key === undefined) return undefined;
  return {
    key: await sha256(JSON.stringify([owner, key])),
    fingerprint: await fingerprintOf([request.route, request.body]),
  };
}

export function keyReused(): ArtifexError {
  return new ArtifexError(
    'idempotency_key_reused',
    'This Idempotency-Key was sent before with another request. Send a new key with a new request.',
  );
}

/** A short text that two values share only when they are equal, in whatever order the fields of their objects stand. */
export function fingerprintOf(value: unknown): Promise<string> {
  return sha256(JSON.stringify(sorted(value)));
}

/** The same value with the fields of every object in one order, so that equal bodies have equal texts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  // An instant has no fields of its own: without this, all instants would be one.
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => [name, sorted(field)]);
}

/** Base64url, so that it can be the name of a field. */
async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(digest)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
