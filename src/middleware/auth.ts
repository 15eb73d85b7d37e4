import { createMiddleware } from 'hono/factory';
import { uniqueSymbol } from 'hono-openapi';
import { ArtifexError } from '../domain/errors.ts';
import type { SessionTrust } from '../identity/sessionTrust.ts';
import { challenge, invalidToken } from './challenge.ts';
import type { UserEnv } from './context.ts';
import { problemAnswers } from './describe.ts';
import { Refusal } from './refusal.ts';
import { sessionsOf } from './sessions.ts';

/** RFC 6750 section 2.1; the name of the scheme is case-insensitive (RFC 9110 section 11.1). */
export const BEARER_SCHEME = /^bearer(?: |$)/i;
const BEARER = /^bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i;

/**
 * Lets a request pass with a valid Clerk session token as its bearer, and puts `auth` into the context. Cookies,
 * queries and redirects of Clerk's browser handshake have no part in it: Clerk sees the token alone.
 * https://clerk.com/docs/guides/sessions/verifying
 *
 * @param scheme the name in the description of the API of what is needed
 * @example
 * const routes = new Hono<UserEnv>().use(authenticate(deps.sessions));
 */
export function authenticate(trust: SessionTrust, scheme: 'session' | 'admin' = 'session') {
  const sessions = sessionsOf(trust);
  const middleware = createMiddleware<UserEnv>(async function requireSession(c, next) {
    const authorization = c.req.header('Authorization');
    if (authorization === undefined || !BEARER_SCHEME.test(authorization)) {
      throw new Refusal('unauthenticated', 'Send `Authorization: Bearer` with a session token.', challenge());
    }
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) {
      throw invalidToken('The Authorization header carries no session token (`Bearer HEADER.PAYLOAD.SIGNATURE`).');
    }
    c.set('auth', sessions.remembered(token) ?? (await sessions.verify(token)));
    await next();
  });
  return Object.assign(middleware, {
    [uniqueSymbol]: { spec: { security: [{ [scheme]: [] }], responses: problemAnswers(['unauthenticated']) } },
  });
}

/** Lets administrators pass. It stands behind `authenticate`. */
export function requireAdmin() {
  const middleware = createMiddleware<UserEnv>(async function refuseOthers(c, next) {
    if (!c.var.auth.isAdmin) {
      throw new ArtifexError('forbidden', 'This is for administrators.');
    }
    await next();
  });
  return Object.assign(middleware, { [uniqueSymbol]: { spec: { responses: problemAnswers(['forbidden']) } } });
}
