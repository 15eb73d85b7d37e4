import { type Billing, createBilling } from '../billing/billing.ts';
import type { Env } from '../config/env.ts';
import type { ToldEvent, WebhookSource } from '../domain/inbox.ts';
import { readClerkEvent } from '../identity/webhook.ts';
import { createInbox, type Inbox } from '../jobs/inbox.ts';
import type { Observability } from '../observability/observability.ts';
import { clerkEvents } from '../workflows/clerkEvents.ts';
import type { Context } from '../workflows/context.ts';

/** What takes and applies the events of others. */
export interface Inbound {
  billing: Billing;
  inbox: Inbox;
  readers: Readonly<Record<WebhookSource, ((payload: string, headers: Headers) => Promise<ToldEvent | null>) | null>>;
}

/** Everything that has to do with Stripe, as the environment says. */
export function billingOf(
  env: Env,
  ctx: Context,
  { inbox, tracing }: Pick<Observability, 'inbox' | 'tracing'>,
): Billing {
  return createBilling(env.stripe, ctx, env.appUrl, inbox.needsPerson, tracing?.fetch);
}

export function createInbound(
  env: Env,
  ctx: Context,
  { inbox: metrics }: Pick<Observability, 'inbox'>,
  billing: Billing,
): Inbound {
  const inbox = createInbox(ctx, { stripe: billing.apply, clerk: clerkEvents(ctx) }, metrics.attempted);
  const { webhookSigningSecret: secret } = env.clerk;
  const clerk =
    secret === undefined ? null : (payload: string, headers: Headers) => readClerkEvent(secret, payload, headers);
  return { billing, inbox, readers: { stripe: billing.read, clerk } };
}
