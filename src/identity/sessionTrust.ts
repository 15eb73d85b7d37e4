import type { Env } from '../config/env.ts';
import { frontendApiOf, publishableKeyFor } from '../config/publishableKey.ts';

/** Whose session tokens are believed. */
export interface SessionTrust {
  /** The public key that verifies them, as PEM. */
  jwtKey: string;
  /** The `iss` that they must carry; null: any, which only development may say. */
  issuer: string | null;
  /** The `azp` values (origins) that they may carry; empty: any or none. */
  authorizedParties: readonly string[];
  /** Clerk's SDK asks for both keys even where it verifies without the network. */
  publishableKey: string;
  secretKey: string;
}

/** The reserved top-level domain (RFC 2606) keeps whatever would call it from reaching anybody. */
const DEVELOPMENT_FRONTEND_API = 'clerk.artifex.invalid';
const DEVELOPMENT_PUBLISHABLE_KEY = publishableKeyFor(DEVELOPMENT_FRONTEND_API);
/** No secret: it opens nothing, and stands where the SDK asks for one. */
const DEVELOPMENT_SECRET_KEY = 'sk_test_development';

/** The issuer of tokens that the development key signs. */
export const DEVELOPMENT_ISSUER = `https://${DEVELOPMENT_FRONTEND_API}`;

/** Trust in the Clerk instance that the environment names, or null without `CLERK_JWT_KEY`. */
export function clerkTrust(clerk: Env['clerk']): SessionTrust | null {
  if (clerk.jwtKey === undefined) {
    return null;
  }
  const frontendApi = clerk.publishableKey === undefined ? null : frontendApiOf(clerk.publishableKey);
  return {
    jwtKey: clerk.jwtKey,
    issuer: frontendApi === null ? null : `https://${frontendApi}`,
    authorizedParties: clerk.authorizedParties,
    publishableKey: clerk.publishableKey ?? DEVELOPMENT_PUBLISHABLE_KEY,
    secretKey: clerk.secretKey ?? DEVELOPMENT_SECRET_KEY,
  };
}

/** Trust in the development key alone. */
export function developmentTrust(publicKeyPem: string): SessionTrust {
  return {
    jwtKey: publicKeyPem,
    issuer: DEVELOPMENT_ISSUER,
    authorizedParties: [],
    publishableKey: DEVELOPMENT_PUBLISHABLE_KEY,
    secretKey: DEVELOPMENT_SECRET_KEY,
  };
}
