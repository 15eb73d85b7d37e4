import { WEBHOOK_LIMITS } from './webhooks.ts';

/**
 * The symmetric scheme of Standard Webhooks 1.0.0
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Signature scheme"): HMAC-SHA256
 * over `id.timestamp.body`. By WebCrypto, which every runtime has.
 */

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;

export interface SigningSecret {
  /** `whsec_` and base64. */
  secret: string;
  /** Until when it signs; the present one has none. */
  expiresAt?: Date;
}

export function newSigningSecret(): string {
  return PREFIX + base64(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
}

/** The secrets after a change of the first; null when so many old ones still sign that one more is too many. */
export function rotatedSecrets(secrets: readonly SigningSecret[], next: string, now: Date): SigningSecret[] | null {
  const expiresAt = new Date(now.getTime() + WEBHOOK_LIMITS.oldSecretMs);
  const old = valid(secrets, now).map((each) => ({ ...each, expiresAt: each.expiresAt ?? expiresAt }));
  return old.length > WEBHOOK_LIMITS.maxOldSecrets ? null : [{ secret: next }, ...old];
}

/** The three headers of one attempt, signed with every secret that is valid at `now`. */
export async function signatureHeaders(
  { id, body, secrets, now }: { id: string; body: string; secrets: readonly SigningSecret[]; now: Date },
  sentAt: Date,
): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(sentAt.getTime() / 1000));
  const content = new TextEncoder().encode(`${id}.${timestamp}.${body}`);
  const signatures = await Promise.all(valid(secrets, now).map(({ secret }) => sign(secret, content)));
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}

function valid(secrets: readonly SigningSecret[], now: Date): SigningSecret[] {
  return secrets.filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now);
}

async function sign(secret: string, content: Uint8Array<ArrayBuffer>): Promise<string> {
  const bytes = Uint8Array.from(atob(secret.slice(PREFIX.length)), (character) => character.charCodeAt(0));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return `v1,${base64(new Uint8Array(await crypto.subtle.sign('HMAC', key, content)))}`;
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
