import { clerkMiddleware, getAuth } from '@clerk/hono';
import { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { uniqueSymbol } from 'hono-openapi';
import { z } from 'zod';
import { ArtifexError } from '../domain/errors.ts';
import type { SessionTrust } from '../identity/sessionTrust.ts';
import type { Auth, UserEnv } from './context.ts';
import { problemAnswers } from './describe.ts';
import { Refusal } from './refusal.ts';

/** RFC 6750 section 2.1; the name of the scheme is case-insensitive (RFC 9110 section 11.1). */
export const BEARER_SCHEME = /^bearer(?: |$)/i;
const BEARER = /^bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i;

/**
 * Only what Clerk signs sessions with. Its SDK would also take RS384, RS512 and machine tokens, some of which it
 * verifies by asking the network; they are refused before it sees them.
 */
const sessionHeader = z.object({ alg: z.literal('RS256'), typ: z.literal('JWT').optional() });
const machineClaims = z.object({ sub: z.string().startsWith('mch_') });

/** A claim of the wrong type is as good as none; only the subject and the issuer are indispensable. */
const sessionClaims = z.object({
  sub: z.string().min(1).max(255),
  iss: z.string(),
  email: z.email().max(320).optional().catch(undefined),
  name: z.string().trim().min(1).max(256).optional().catch(undefined),
  metadata: z.object({ role: z.string().optional() }).optional().catch(undefined),
});

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
  const verify = sessionVerifier(trust);
  const middleware = createMiddleware<UserEnv>(async function requireSession(c, next) {
    const authorization = c.req.header('Authorization');
    if (authorization === undefined || !BEARER_SCHEME.test(authorization)) {
      throw new Refusal('unauthenticated', 'Send `Authorization: Bearer` with a session token.', challenge());
    }
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) {
      throw invalidToken('The Authorization header carries no session token (`Bearer HEADER.PAYLOAD.SIGNATURE`).');
    }
    c.set('auth', await verify(token));
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

function sessionVerifier(trust: SessionTrust): (token: string) => Promise<Auth> {
  const options = {
    jwtKey: trust.jwtKey,
    publishableKey: trust.publishableKey,
    secretKey: trust.secretKey,
    ...(trust.issuer === null ? {} : { issuer: trust.issuer }),
    ...(trust.authorizedParties.length > 0 ? { authorizedParties: [...trust.authorizedParties] } : {}),
    // Read by the client that the middleware makes: it would announce and send usage data from development.
    telemetry: { disabled: true },
  };
  const clerk = clerkMiddleware(options);

  return async function verifySession(token) {
    const isMachine = machineClaims.safeParse(decodedPart(token, 1)).success;
    if (!sessionHeader.safeParse(decodedPart(token, 0)).success || isMachine) {
      throw invalidToken('The token is not a session token signed with RS256.');
    }
    const request = new Request('https://artifex.invalid/', { headers: { Authorization: `Bearer ${token}` } });
    const c = new Context(request);
    await clerk(c, async () => undefined);
    const session = getAuth(c, { acceptsToken: 'session_token' });
    if (!session.isAuthenticated) {
      throw invalidToken(explanation(session.debug()));
    }
    const claims = sessionClaims.safeParse(session.sessionClaims);
    if (!claims.success || (trust.issuer !== null && claims.data.iss !== trust.issuer)) {
      throw invalidToken('The token is not from the trusted issuer.');
    }
    const { sub, email, name, metadata } = claims.data;
    return { clerkUserId: sub, email, name, isAdmin: metadata?.role === 'admin' };
  };
}

/** A part of a token as it stands, unverified; undefined when it is no JSON. */
function decodedPart(token: string, index: number): unknown {
  try {
    const base64 = (token.split('.')[index] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    return JSON.parse(atob(base64));
  } catch {
    return undefined;
  }
}

/** Clerk's word for its refusal, in ours. Its own message quotes the token's claims. */
function explanation(debug: unknown): string {
  const { reason } = refusalReason.parse(debug);
  if (reason.startsWith('session-token-expired')) {
    return 'The token has expired. Get a new one.';
  }
  if (reason === 'session-token-nbf' || reason === 'session-token-iat-in-the-future') {
    return 'The token is not valid yet. Check the clock of whoever made it.';
  }
  return 'The token is not signed by the trusted issuer, or it is not meant for this application.';
}

const refusalReason = z.object({ reason: z.string().catch('') });

function invalidToken(detail: string): Refusal {
  return new Refusal('unauthenticated', detail, challenge('invalid_token'));
}

/** RFC 6750 section 3.1: a request without any token, or in another scheme, is told no error code. */
export function challenge(error?: 'invalid_token'): Record<string, string> {
  return { 'WWW-Authenticate': `Bearer realm="artifex"${error ? `, error="${error}"` : ''}` };
}
