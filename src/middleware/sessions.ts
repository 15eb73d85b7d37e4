import { LRUCache } from 'lru-cache';
import type { SessionTrust } from '../identity/sessionTrust.ts';
import type { Auth } from './context.ts';
import { type Session, sessionVerifier } from './verifySession.ts';

/** The sessions that one trust has let in. */
export interface Sessions {
  /** Who asks, where this very token was verified before and is still in its time. */
  remembered(token: string): Auth | undefined;
  /** @throws {Refusal} 401 */
  verify(token: string): Promise<Auth>;
}

const MAX_SESSIONS = 10_000;
/** All tokens together; the server takes fields of 16 KB. */
const MAX_CHARACTERS = 2 ** 24;

const sessions = new WeakMap<SessionTrust, Sessions>();

/** One for each trust, however many routes ask for it. */
export function sessionsOf(trust: SessionTrust): Sessions {
  const known = sessions.get(trust) ?? createSessions(trust);
  sessions.set(trust, known);
  return known;
}

/**
 * A signature says the same at every look, so it is checked at the first request of a token, and the token's time at each. What is
 * remembered is a whole token, signature and all: another signature under the same claims is another token. Key, issuer and parties
 * belong to the trust; another trust has sessions of its own.
 */
function createSessions(trust: SessionTrust): Sessions {
  const verify = sessionVerifier(trust);
  const seen = new LRUCache<string, Session>({
    max: MAX_SESSIONS,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (_, token) => token.length,
  });
  return {
    remembered(token) {
      const session = seen.get(token);
      if (!session) return undefined;
      const now = Date.now();
      if (now >= session.from && now < session.until) return session.auth;
      // Verified again, it is refused in words that tell why.
      seen.delete(token);
      return undefined;
    },
    async verify(token) {
      const session = await verify(token);
      seen.set(token, session);
      return session.auth;
    },
  };
}
