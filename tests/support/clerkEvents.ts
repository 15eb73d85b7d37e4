import { Webhook } from 'standardwebhooks';
import { CLERK_WEBHOOK_SECRET } from './application.ts';

/** An event of Clerk's as it goes over the wire, signed by the public library of Standard Webhooks. */
export function signedClerkEvent(
  event: { type: string; timestamp: number; data: object },
  { id = `msg_${crypto.randomUUID()}`, secret = CLERK_WEBHOOK_SECRET, at = new Date() } = {},
): { raw: string; headers: Record<string, string> } {
  const raw = JSON.stringify({ object: 'event', ...event });
  return {
    raw,
    headers: {
      'svix-id': id,
      'svix-timestamp': String(Math.floor(at.getTime() / 1000)),
      'svix-signature': new Webhook(secret).sign(id, at, raw),
    },
  };
}
