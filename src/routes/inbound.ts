import { Hono } from 'hono';
import { z } from 'zod';
import { ArtifexError } from '../domain/errors.ts';
import type { ToldEvent, WebhookSource } from '../domain/inbox.ts';
import { readBody } from '../middleware/body.ts';
import type { EdgeEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import { keepEvent } from '../repositories/inbox.ts';
import type { Context } from '../workflows/context.ts';
import type { EventApplier } from '../workflows/inbox.ts';

/**
 * Checks a delivery and picks out what is kept of it; null when the event is of no interest.
 *
 * @throws {ArtifexError} `invalid_signature`
 */
export type ReadWebhook = (payload: string, headers: Headers) => Promise<ToldEvent | null>;

export interface InboundDeps {
  ctx: Context;
  /** Null where the secret is not configured that would check it. */
  inbound: Readonly<Record<WebhookSource, ReadWebhook | null>>;
  inbox: EventApplier;
}

const SECRETS: Readonly<Record<WebhookSource, string>> = {
  stripe: 'STRIPE_WEBHOOK_SECRET',
  clerk: 'CLERK_WEBHOOK_SIGNING_SECRET',
};

/** A sender reads the status alone. */
const receiptSchema = z.object({ received: z.literal(true) }).meta({ id: 'WebhookReceipt' });

/** What others tell of: kept first, answered, and then applied. */
export function inboundRoutes(deps: InboundDeps) {
  return new Hono<EdgeEnv>()
    .post('/stripe', described('Stripe', '`Stripe-Signature`'), async (c) => {
      await receive(deps, 'stripe', c.req.raw);
      return c.json({ received: true as const });
    })
    .post('/clerk', described('Clerk', '`svix-id`, `svix-timestamp` and `svix-signature`'), async (c) => {
      await receive(deps, 'clerk', c.req.raw);
      return c.json({ received: true as const });
    });
}

function described(sender: string, fields: string) {
  return describe({
    summary: `Events of ${sender}`,
    description: `For ${sender} alone, which signs the raw body (${fields}). An event is kept before it is answered, and applied once.`,
    tags: ['webhooks'],
    answers: { 200: { description: 'Kept, known before, or of no interest.', schema: receiptSchema } },
    errors: ['invalid_signature', 'payload_too_large', 'unavailable'],
  });
}

async function receive({ ctx, inbound, inbox }: InboundDeps, source: WebhookSource, request: Request): Promise<void> {
  const read = inbound[source];
  if (!read) throw new ArtifexError('unavailable', `This server takes no such events: ${SECRETS[source]} is not set.`);
  const told = await read(textOf(await readBody(request)), request.headers);
  if (!told) return;
  const isTaken = inbox.hasRoom();
  const event = await keepEvent(ctx, told, isTaken);
  if (event && isTaken) inbox.take(event);
}

/** Bytes that are no text were signed by nobody. */
function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ArtifexError('invalid_signature', 'The body is not what was signed.');
  }
}
