import { Types, type UpdateQuery } from 'mongoose';
import { z } from 'zod';
import { LIBRARY } from '../../domain/audit.ts';
import { ArtifexError, UserNotFoundError, ValidationFailedError } from '../../domain/errors.ts';
import { SUBSCRIPTION_STATUSES } from '../../domain/subscription.ts';
import { SUBSCRIPTION_TIERS, type SubscriptionTier } from '../../domain/tiers.ts';
import { isDuplicateKey } from '../duplicateKey.ts';
import type { SubscriptionDocument } from '../methods/subscription.ts';
import type { Subscription } from '../Subscription.ts';
import type { Store } from '../store.ts';
import { followSubscription } from './following.ts';

const tier = z.enum(SUBSCRIPTION_TIERS);
const status = z.enum(SUBSCRIPTION_STATUSES);
const metadata = z.record(z.string(), z.unknown());

const userIdSchema = z.string().regex(/^[0-9a-f]{24}$/i);

/** The flat form: what a caller has picked out of Stripe's object. Everything but the first four may be left out. */
const flatForm = z.object({
  customerId: z.string().min(1),
  subscriptionId: z.string().min(1),
  status,
  currentPeriodEnd: z.coerce.date(),
  userId: z.union([z.string(), z.instanceof(Types.ObjectId)]).optional(),
  tier: tier.optional(),
  currentPeriodStart: z.coerce.date().optional(),
  trialStart: z.coerce.date().optional(),
  trialEnd: z.coerce.date().optional(),
  cancelAtPeriodEnd: z.boolean().default(false),
  metadata: metadata.default({}),
});

type Facts = z.output<typeof flatForm>;

const instant = z.number().transform((seconds) => new Date(seconds * 1000));
const idOrObject = z.union([z.string(), z.object({ id: z.string() }).transform(({ id }) => id)]);

/**
 * The part of Stripe's object that counts, in the API version of the SDK: periods stand on the items
 * (https://docs.stripe.com/api/subscriptions/object). The tier is the price's lookup key, or stands in the metadata of price or
 * subscription.
 */
const stripeObject = z
  .object({
    object: z.literal('subscription'),
    id: z.string(),
    customer: idOrObject,
    status,
    items: z.object({
      data: z
        .array(
          z.object({
            current_period_start: instant,
            current_period_end: instant,
            price: z.object({
              lookup_key: z.string().nullish(),
              metadata: z.object({ tier: tier.optional().catch(undefined) }).nullish(),
            }),
          }),
        )
        .min(1),
    }),
    trial_start: instant.nullish(),
    trial_end: instant.nullish(),
    cancel_at_period_end: z.boolean().default(false),
    metadata: metadata.default({}),
  })
  .transform((subscription, context): Facts => {
    const [item] = subscription.items.data;
    if (!item) return z.NEVER;
    const sold =
      tier.safeParse(item.price.lookup_key).data ??
      item.price.metadata?.tier ??
      tier.safeParse(subscription.metadata['tier']).data;
    if (!sold) {
      context.addIssue({
        code: 'custom',
        path: ['items', 'data', 0, 'price'],
        message: `Give the price one of the lookup keys ${SUBSCRIPTION_TIERS.join(', ')}, or the metadata \`tier\``,
      });
      return z.NEVER;
    }
    const { userId } = subscription.metadata;
    return {
      customerId: subscription.customer,
      subscriptionId: subscription.id,
      status: subscription.status,
      currentPeriodStart: item.current_period_start,
      currentPeriodEnd: item.current_period_end,
      tier: sold,
      cancelAtPeriodEnd: subscription.cancel_at_period_end,
      metadata: subscription.metadata,
      ...(typeof userId === 'string' && { userId }),
      ...(subscription.trial_start && { trialStart: subscription.trial_start }),
      ...(subscription.trial_end && { trialEnd: subscription.trial_end }),
    };
  });

export type StripeInput = z.input<typeof flatForm> | { object: 'subscription'; [field: string]: unknown };

/** Behind `SubscriptionModel.createFromStripe`, which tells what it does. */
export async function createFromStripe(store: Store, input: StripeInput): Promise<SubscriptionDocument> {
  const facts = parsed(input);
  const { Subscription } = store.models;
  const known =
    (await Subscription.findOne({ stripeSubscriptionId: facts.subscriptionId })) ??
    (await Subscription.findOne({ stripeCustomerId: facts.customerId }).sort({ createdAt: -1 }));
  const userId = known?.userId ?? (await userNamedBy(store, facts));
  const now = store.clock.now();
  const { customerId, subscriptionId, userId: _, tier: told, ...rest } = facts;
  // Without any word about the tier nothing is granted.
  const sold: SubscriptionTier = told ?? known?.tier ?? 'free';
  const stored = await upsert(store, subscriptionId, {
    $set: { ...rest, tier: sold, stripeCustomerId: customerId, unapplied: now },
    $setOnInsert: { userId, ...(rest.currentPeriodStart ? {} : { currentPeriodStart: now }) },
    $unset: { synced: 1 },
    $inc: { revision: 1 },
  });
  await followSubscription(store, userId, LIBRARY);
  return stored;
}

/** Of several who insert at once, one does and the others update. */
async function upsert(
  store: Store,
  stripeSubscriptionId: string,
  update: UpdateQuery<Subscription>,
): Promise<SubscriptionDocument> {
  try {
    return await store.models.Subscription.findOneAndUpdate({ stripeSubscriptionId }, update, {
      upsert: true,
      returnDocument: 'after',
      runValidators: true,
      setDefaultsOnInsert: true,
    });
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    const inserted = await store.models.Subscription.exists({ stripeSubscriptionId });
    if (inserted) return upsert(store, stripeSubscriptionId, update);
    throw new ArtifexError('conflict', 'The user has another subscription that has not ended.', { cause: error });
  }
}

function parsed(input: StripeInput): Facts {
  const result = ('object' in input ? stripeObject : flatForm).safeParse(input);
  if (result.success) return result.data;
  throw new ValidationFailedError(result.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })));
}

async function userNamedBy(store: Store, { userId, metadata }: Facts): Promise<Types.ObjectId> {
  const named = userId ?? metadata['userId'];
  const id = userIdSchema.safeParse(named?.toString());
  const user = id.success ? await store.models.User.findById(id.data).select('_id') : null;
  if (!user) throw new UserNotFoundError();
  return user._id;
}
