import { clerkMiddleware, getAuth } from '@clerk/hono';
import { Context } from 'hono';
import { z } from 'zod';
import type { SessionTrust } from '../identity/sessionTrust.ts';
import { invalidToken } from './challenge.ts';
import type { Auth } from './context.ts';

/** Whom a token has proved, and when that holds, in milliseconds since 1970. */
export interface Session {
  auth: Auth;
  from: number;
  /** No longer at this instant. */
  until: number;
}

/** Seconds by which two clocks may differ; Clerk's SDK takes as many when it is not told. */
const CLOCK_SKEW_MS = 5_000;

/**
 * Only what Clerk signs sessions with. Its SDK would also take RS384, RS512 and machine tokens, some of which it
 * verifies by asking the network; they are refused before it sees them.
 */
const sessionHeader = z.object({ alg: z.literal('RS256'), typ: z.literal('JWT').optional() });
const machineClaims = z.object({ sub: z.string().startsWith('mch_') });

/** A claim of the wrong type is as good as none; only the subject, the issuer and the times are indispensable. */
const sessionClaims = z.object({
  sub: z.string().min(1).max(255),
  iss: z.string(),
  exp: z.number(),
  nbf: z.number().optional(),
  iat: z.number().optional(),
  email: z.email().max(320).optional().catch(undefined),
  name: z.string().trim().min(1).max(256).optional().catch(undefined),
  metadata: z.object({ role: z.string().optional() }).optional().catch(undefined),
});

/**
 * Verifies session tokens by Clerk's SDK.
 *
 * @returns what throws a {@link Refusal} 401 for a token that is not valid
 */
export function sessionVerifier(trust: SessionTrust): (token: string) => Promise<Session> {
  const options = {
    jwtKey: trust.jwtKey,
    publishableKey: trust.publishableKey,
    secretKey: trust.secretKey,
    clockSkewInMs: CLOCK_SKEW_MS,
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
    return sessionOf(claims.data);
  };
}

function sessionOf({ sub, email, name, metadata, exp, nbf = 0, iat = 0 }: z.output<typeof sessionClaims>): Session {
  return {
    auth: { clerkUserId: sub, email, name, isAdmin: metadata?.role === 'admin' },
    from: Math.max(nbf, iat) * 1000 - CLOCK_SKEW_MS,
    until: Math.floor(exp) * 1000 + CLOCK_SKEW_MS,
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
