import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sign } from 'hono/jwt';
import { DEVELOPMENT_ISSUER } from './sessionTrust.ts';

/** The key that signs session tokens in development, in place of Clerk. */
export interface DevelopmentKey {
  /** SPKI, as PEM: what `CLERK_JWT_KEY` would hold. */
  publicKeyPem: string;
  privateKey: CryptoKey;
}

/** Who a development token speaks for. */
export interface DevelopmentSession {
  clerkUserId: string;
  email?: string | undefined;
  name?: string | undefined;
  isAdmin?: boolean | undefined;
  lifetimeSeconds: number;
}

const FILE_NAME = 'development-key.pem';
/** RS256 with 2048 bits and the exponent 65537: the only key that Clerk's SDK reads from a PEM. */
const ALGORITHM = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
const GENERATION = { ...ALGORITHM, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };

/**
 * The development key of a data folder, made at the first use. It is trusted only where `CLERK_JWT_KEY` is unset and
 * this is not production. Processes that start at once agree on one key: it is written aside and linked into place,
 * which never replaces a file that is there.
 */
export async function openDevelopmentKey(dataDir: string): Promise<DevelopmentKey> {
  const path = join(dataDir, FILE_NAME);
  const pem = (await readIfThere(path)) ?? (await placeNewKey(dataDir, path));
  const privateKey = await crypto.subtle.importKey('pkcs8', bytesOf(pem), ALGORITHM, true, ['sign']);
  return { privateKey, publicKeyPem: await publicPemOf(privateKey) };
}

/**
 * A session token shaped as Clerk's.
 * https://clerk.com/docs/guides/sessions/session-tokens#default-claims
 */
export function signSessionToken(key: DevelopmentKey, session: DevelopmentSession): Promise<string> {
  // The machine's own clock: `ARTIFEX_CLOCK_OFFSET` never moves what tokens are checked against.
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: DEVELOPMENT_ISSUER,
    sub: session.clerkUserId,
    sid: `sess_${crypto.randomUUID().replaceAll('-', '')}`,
    sts: 'active',
    v: 2,
    iat: now,
    nbf: now,
    exp: now + session.lifetimeSeconds,
    ...(session.email === undefined ? {} : { email: session.email }),
    ...(session.name === undefined ? {} : { name: session.name }),
    ...(session.isAdmin ? { metadata: { role: 'admin' } } : {}),
  };
  return sign(claims, key.privateKey, 'RS256');
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) {
      return undefined;
    }
    throw error;
  }
}

async function placeNewKey(dataDir: string, path: string): Promise<string> {
  await mkdir(dataDir, { recursive: true });
  const pair = await crypto.subtle.generateKey(GENERATION, true, ['sign', 'verify']);
  const pem = pemOf('PRIVATE KEY', await crypto.subtle.exportKey('pkcs8', pair.privateKey));
  const aside = `${path}.${crypto.randomUUID()}`;
  try {
    await writeDurably(aside, pem);
    await link(aside, path);
    return pem;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) {
      return await readFile(path, 'utf8');
    }
    throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function publicPemOf(privateKey: CryptoKey): Promise<string> {
  const { kty, n, e } = await crypto.subtle.exportKey('jwk', privateKey);
  if (kty === undefined || n === undefined || e === undefined) {
    throw new Error(`${FILE_NAME} holds no RSA key; remove it, and a new one is made.`);
  }
  const publicKey = await crypto.subtle.importKey('jwk', { kty, n, e }, ALGORITHM, true, ['verify']);
  return pemOf('PUBLIC KEY', await crypto.subtle.exportKey('spki', publicKey));
}

function pemOf(label: string, der: ArrayBuffer): string {
  const base64 = Buffer.from(der).toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

function bytesOf(pem: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ''), 'base64'));
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
