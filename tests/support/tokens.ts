import { exportPKCS8, exportSPKI, generateKeyPair, importPKCS8, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { publishableKeyFor } from '../../src/config/publishableKey.ts';
import type { SessionTrust } from '../../src/identity/sessionTrust.ts';

/** `undefined` takes a usual claim away. */
type Claims = Readonly<Record<string, unknown>>;

/** Somebody who signs session tokens as a Clerk instance does, with a key pair of its own. */
export interface TokenIssuer {
  /** What `CLERK_JWT_KEY` and `CLERK_PUBLISHABLE_KEY` would hold. */
  publicKeyPem: string;
  publishableKey: string;
  trust: SessionTrust;
  /** A token of `user_1` that is valid for a minute; claims and header fields replace the usual ones. */
  sign(claims?: Claims, header?: { alg?: string; typ?: string; cat?: string }): Promise<string>;
  /** The same claims without any signature (`alg: none`). */
  unsigned(claims?: Claims): string;
  /** The same claims, with the public key's text as an HMAC secret (the confusion of RS256 and HS256). */
  signWithPublicKeyAsSecret(claims?: Claims): Promise<string>;
}

export async function createTokenIssuer(frontendApi = 'clerk.example.com'): Promise<TokenIssuer> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
  const publicKeyPem = await exportSPKI(publicKey);
  const privateKeyPem = await exportPKCS8(privateKey);
  const publishableKey = publishableKeyFor(frontendApi);
  const issuer = `https://${frontendApi}`;

  function claimsOf(claims: Claims): JWTPayload {
    const now = Math.floor(Date.now() / 1000);
    return { iss: issuer, sub: 'user_1', sid: 'sess_1', iat: now, nbf: now, exp: now + 60, ...claims };
  }

  return {
    publicKeyPem,
    publishableKey,
    trust: {
      jwtKey: publicKeyPem,
      issuer,
      authorizedParties: [],
      publishableKey,
      secretKey: 'sk_test_unused',
    },
    async sign(claims = {}, header = {}) {
      const fields = { alg: 'RS256', typ: 'JWT', ...header };
      const key = await importPKCS8(privateKeyPem, fields.alg);
      return new SignJWT(claimsOf(claims)).setProtectedHeader(fields).sign(key);
    },
    unsigned: (claims = {}) => new UnsecuredJWT(claimsOf(claims)).encode(),
    signWithPublicKeyAsSecret: (claims = {}) =>
      new SignJWT(claimsOf(claims))
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
        .sign(new TextEncoder().encode(publicKeyPem)),
  };
}
