import type Stripe from 'stripe';
import type { PaidTier } from '../stripe.ts';
import { isMissing } from '../stripe.ts';
import { once } from './once.ts';

/** What a month of a tier is to cost; of what is not said, what is there stays. */
export interface Wish {
  /** In the currency's smallest unit (https://docs.stripe.com/currencies). */
  amount?: number | undefined;
  /** Three small letters. */
  currency?: string | undefined;
}

/** Where nothing is said and nothing is there. */
const DEFAULTS: Readonly<Record<PaidTier, number>> = { plus: 900, pro: 2900 };
const DEFAULT_CURRENCY = 'usd';

const NAMES: Readonly<Record<PaidTier, string>> = { plus: 'Artifex Plus', pro: 'Artifex Pro' };

/** Names the product and the price of a tier. Stripe holds both unique in an account. */
const nameOf = (tier: PaidTier): string => `artifex_${tier}`;

/**
 * The id of the price by which a tier is sold: found by its lookup key, or made with its product. Amounts of a price never change at Stripe: for
 * another one a new price takes the lookup key over, and who pays the old one goes on to (https://docs.stripe.com/products-prices/manage-prices).
 *
 * @param tell told of what is done, in a line
 */
export async function priceOfTier(
  stripe: Stripe,
  tier: PaidTier,
  wish: Wish,
  tell: (line: string) => void,
): Promise<string> {
  const before = await holderOf(stripe, tier);
  const wanted = {
    amount: wish.amount ?? before?.unit_amount ?? DEFAULTS[tier],
    currency: wish.currency ?? before?.currency ?? DEFAULT_CURRENCY,
  };
  if (before && !isSoldAs(before, wanted)) await nameTier(stripe, before, tier);
  const { object: price, isNew } = await once({
    key: ['price', tier, wanted.currency, wanted.amount, before?.id ?? 'first'].join(':'),
    async find() {
      const holder = await holderOf(stripe, tier);
      return holder && isSoldAs(holder, wanted) ? holder : null;
    },
    create: async (idempotencyKey) => {
      const product = await productOf(stripe, tier, before, tell);
      return await stripe.prices.create(
        {
          product,
          currency: wanted.currency,
          unit_amount: wanted.amount,
          recurring: { interval: 'month' },
          lookup_key: nameOf(tier),
          transfer_lookup_key: before !== null,
          metadata: { tier },
        },
        { idempotencyKey },
      );
    },
  });
  tell(`${isNew ? 'Made' : 'Found'} the price of ${tier}: ${price.id}, ${wanted.amount} ${wanted.currency} a month`);
  if (isNew && before) tell(`Who pays ${before.id} goes on to; new subscriptions pay the new price.`);
  return price.id;
}

/** The price that has the tier's lookup key, in use or not. */
async function holderOf(stripe: Stripe, tier: PaidTier): Promise<Stripe.Price | null> {
  const { data } = await stripe.prices.list({ lookup_keys: [nameOf(tier)], limit: 1 });
  return data[0] ?? null;
}

function isSoldAs(
  { active, recurring, unit_amount, currency }: Stripe.Price,
  wanted: { amount: number; currency: string },
): boolean {
  const isMonthly = recurring?.interval === 'month' && recurring.interval_count === 1;
  return active && isMonthly && unit_amount === wanted.amount && currency === wanted.currency;
}

/** Without its lookup key, the metadata tell which tier an old price sells. */
async function nameTier(stripe: Stripe, { id, metadata }: Stripe.Price, tier: PaidTier): Promise<void> {
  if (metadata['tier'] !== tier) await stripe.prices.update(id, { metadata: { tier } });
}

/** The product of the price before, else one with a name of ours for its id. */
async function productOf(
  stripe: Stripe,
  tier: PaidTier,
  before: Stripe.Price | null,
  tell: (line: string) => void,
): Promise<string> {
  if (before) return typeof before.product === 'string' ? before.product : before.product.id;
  const id = nameOf(tier);
  const { object: product, isNew } = await once({
    key: `product:${tier}`,
    find: () => stripe.products.retrieve(id).catch(nullIfMissing),
    create: (idempotencyKey) =>
      stripe.products.create({ id, name: NAMES[tier], metadata: { artifex: tier } }, { idempotencyKey }),
  });
  tell(`${isNew ? 'Made' : 'Found'} the product ${product.id}`);
  return product.id;
}

function nullIfMissing(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}
