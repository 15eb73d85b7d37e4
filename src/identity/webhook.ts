import { verifyWebhook } from '@clerk/backend/webhooks';
import { z } from 'zod';
import { ArtifexError } from '../domain/errors.ts';
import { IDENTITY_EVENTS } from '../domain/identity.ts';
import type { ToldEvent } from '../domain/inbox.ts';

/** Of Clerk's events those that change who a user is (https://clerk.com/docs/guides/development/webhooks/overview). */
const eventSchema = z.object({
  type: z.enum(IDENTITY_EVENTS),
  /** Milliseconds: what orders events. */
  timestamp: z.int().positive(),
  data: z.object({
    id: z.string().min(1).max(255),
    first_name: z.string().nullish(),
    last_name: z.string().nullish(),
    primary_email_address_id: z.string().nullish(),
    email_addresses: z.array(z.object({ id: z.string(), email_address: z.string() })).nullish(),
  }),
});

/**
 * Checks a delivery by the Standard Webhooks scheme, through Clerk's SDK, and picks out what is kept of it.
 *
 * @param payload the raw body
 * @returns null for an event of no interest
 * @throws {ArtifexError} `invalid_signature` for one that is wrong or stale
 */
export async function readClerkEvent(secret: string, payload: string, headers: Headers): Promise<ToldEvent | null> {
  const parsed = eventSchema.safeParse(await verified(secret, payload, headers));
  if (!parsed.success) return null;
  const { type, timestamp, data } = parsed.data;
  const email = data.email_addresses?.find(({ id }) => id === data.primary_email_address_id)?.email_address;
  const name = [data.first_name, data.last_name].filter(Boolean).join(' ');
  return {
    source: 'clerk',
    // The sender's id of the message, the same in every repetition.
    id: headers.get('svix-id') ?? '',
    type,
    occurredAt: new Date(timestamp),
    subject: data.id,
    facts: { ...(email !== undefined && { email }), ...(name !== '' && { name }) },
  };
}

async function verified(secret: string, payload: string, headers: Headers): Promise<unknown> {
  const signed = new Headers();
  for (const name of ['svix-id', 'svix-timestamp', 'svix-signature']) signed.set(name, headers.get(name) ?? '');
  // The SDK takes a request; only its body and these fields count.
  const request = new Request('https://webhooks.invalid/', { method: 'POST', headers: signed, body: payload });
  try {
    return await verifyWebhook(request, { signingSecret: secret });
  } catch (cause) {
    throw new ArtifexError('invalid_signature', 'The signature does not belong to this body, or is too old.', {
      cause,
    });
  }
}
