import Stripe from 'stripe';
import { z } from 'zod';
import { ArtifexError } from '../domain/errors.ts';
import type { ToldEvent } from '../domain/inbox.ts';

/**
 * What makes a sync, and what an endpoint has to be sent. All of them are about a customer, whose subscriptions are then read anew, so that it
 * does not matter which of them was told, and in which order. Of other events nothing follows for a subscription.
 */
export const SUBSCRIBED_EVENTS = [
  'customer.updated',
  'customer.deleted',
  'customer.subscription.created',
  'customer.subscription.deleted',
  'customer.subscription.paused',
  'customer.subscription.pending_update_applied',
  'customer.subscription.pending_update_expired',
  'customer.subscription.resumed',
  'customer.subscription.trial_will_end',
  'customer.subscription.updated',
  'subscription_schedule.aborted',
  'subscription_schedule.canceled',
  'subscription_schedule.completed',
  'subscription_schedule.created',
  'subscription_schedule.expiring',
  'subscription_schedule.released',
  'subscription_schedule.updated',
  'invoice.paid',
  'invoice.payment_succeeded',
  'invoice.payment_failed',
  'invoice.payment_action_required',
  'invoice.marked_uncollectible',
  'invoice.voided',
  'checkout.session.completed',
  'checkout.session.async_payment_succeeded',
  'checkout.session.async_payment_failed',
  'charge.refunded',
  'charge.dispute.created',
] as const satisfies Stripe.WebhookEndpointCreateParams.EnabledEvent[];

const SUBSCRIBED: ReadonlySet<string> = new Set(SUBSCRIBED_EVENTS);

/** Words of these families that a later version brings are of interest too. */
const FAMILIES = /^(?:customer\.subscription|subscription_schedule)\.\w/;

const isOfInterest = (type: string): boolean => SUBSCRIBED.has(type) || FAMILIES.test(type);

/**
 * What every event carries (https://docs.stripe.com/api/events/object). Its version does not count, since all that matters is read anew in
 * the version of the SDK; and one of interest is not left for a field that it could do without.
 */
const eventSchema = z.object({
  id: z.string().min(1).max(255),
  type: z.string().max(255),
  created: z.number().default(() => Date.now() / 1000),
  livemode: z.boolean().optional(),
  /** Only of a connected account (https://docs.stripe.com/connect/webhooks). */
  account: z.string().nullish(),
  data: z.object({ object: z.unknown() }),
});
type EventSource = z.output<typeof eventSchema>;

/** An event of the second version of the API, which carries no object (https://docs.stripe.com/event-destinations#thin-events). */
const thinSchema = z.object({ object: z.literal('v2.core.event') });

const reference = z.union([z.string(), z.object({ id: z.string() }).transform(({ id }) => id)]);
const metadata = z
  .looseObject({ userId: z.string().optional().catch(undefined) })
  .nullish()
  .catch(undefined);

/** Of Stripe's objects only what says whom the event is about; all else is read when it is applied. */
const subjectSchema = z.looseObject({
  object: z.string(),
  id: z.string(),
  customer: reference.nullish(),
  metadata,
  client_reference_id: z.string().nullish(),
  payment_intent: reference.nullish(),
  charge: reference.nullish(),
  refunded: z.boolean().optional(),
  amount_refunded: z.number().optional(),
  currency: z.string().nullish(),
});

/** What applying an event needs, as it is kept. */
export const factsSchema = z.object({
  /** Who the user might be. */
  names: z.array(z.string()),
  /** Money that went back: all of it or a part, and which payment it was. */
  returned: z
    .object({
      reason: z.enum(['refund', 'dispute', 'part']),
      paymentIntent: z.string(),
      /** How much has gone back by then, in the currency's smallest unit. */
      refunded: z.object({ amount: z.number(), currency: z.string() }).optional(),
    })
    .optional(),
});
export type ReturnedMoney = NonNullable<z.output<typeof factsSchema>['returned']>;

export interface StripeWebhook {
  stripe: Stripe;
  /** The endpoint's signing secret. */
  secret: string;
  /** Null: events of both modes are taken. */
  isLiveMode: boolean | null;
}

/**
 * Checks a delivery, and picks out what is kept of it (https://docs.stripe.com/webhooks#verify-events).
 *
 * @param payload the raw body: a parsed one cannot be verified
 * @returns null for an event of no interest: another mode's, a connected account's, or of a type that changes no subscription
 * @throws {ArtifexError} `invalid_signature` for one that is wrong, or older than five minutes
 */
export async function readStripeEvent(
  { stripe, secret, isLiveMode }: StripeWebhook,
  payload: string,
  signature: string | undefined,
): Promise<ToldEvent | null> {
  const event = eventSchema.safeParse(await verified(stripe, secret, payload, signature ?? ''));
  return event.success && isOurs(event.data, isLiveMode) ? toldOf(event.data) : null;
}

const isOurs = ({ account, livemode }: EventSource, isLiveMode: boolean | null): boolean =>
  typeof account !== 'string' && (isLiveMode === null || livemode === undefined || livemode === isLiveMode);

/** The asynchronous way is the only one that every runtime has: it verifies by WebCrypto. */
async function verified(stripe: Stripe, secret: string, payload: string, signature: string): Promise<unknown> {
  try {
    return await stripe.webhooks.constructEventAsync(payload, signature, secret);
  } catch (cause) {
    if (!(cause instanceof Stripe.errors.StripeSignatureVerificationError) && !(cause instanceof SyntaxError)) {
      // The SDK verifies it like any other, and then refuses to take it for an event.
      if (thinSchema.safeParse(JSON.parse(payload)).success) return null;
      throw cause;
    }
    throw new ArtifexError('invalid_signature', 'The signature does not belong to this body, or is too old.', {
      cause,
    });
  }
}

/** @returns null for an event of no interest: its type changes no subscription, or its object says of no customer */
export function toldOf(event: Pick<EventSource, 'id' | 'type' | 'created' | 'data'>): ToldEvent | null {
  if (!isOfInterest(event.type)) return null;
  const parsed = subjectSchema.safeParse(event.data.object);
  if (!parsed.success) return null;
  const { object, id, customer, client_reference_id } = parsed.data;
  const subject = object === 'customer' ? id : (customer ?? undefined);
  const names = [parsed.data.metadata?.userId, client_reference_id].filter((name) => typeof name === 'string');
  const returned = returnedBy(event.type, parsed.data);
  // A dispute names no customer, but the payment that it is about.
  if (subject === undefined && returned === undefined) return null;
  return {
    source: 'stripe',
    id: event.id,
    type: event.type,
    occurredAt: new Date(event.created * 1000),
    ...(subject !== undefined && { subject }),
    facts: { names, ...(returned && { returned }) },
  };
}

function returnedBy(
  type: string,
  {
    payment_intent: paymentIntent,
    refunded: isWhole,
    amount_refunded: amount,
    currency,
  }: z.output<typeof subjectSchema>,
): ReturnedMoney | undefined {
  if (!paymentIntent) return undefined;
  if (type === 'charge.dispute.created') return { reason: 'dispute', paymentIntent };
  if (type !== 'charge.refunded') return undefined;
  if (isWhole) return { reason: 'refund', paymentIntent };
  return { reason: 'part', paymentIntent, ...(amount && currency && { refunded: { amount, currency } }) };
}
