import type Stripe from 'stripe';
import { once } from './once.ts';

/**
 * What customers may do in the billing portal. Prices are changed by this API alone: it holds an upgrade back until it is paid and a downgrade
 * until the period's end, and the portal does neither.
 */
const FEATURES = {
  customer_update: { enabled: true, allowed_updates: ['address', 'tax_id'] },
  invoice_history: { enabled: true },
  payment_method_update: { enabled: true },
  subscription_cancel: { enabled: true, mode: 'at_period_end', proration_behavior: 'none' },
  subscription_update: { enabled: false },
} as const satisfies Record<string, object>;

/** Known by its metadata: nobody but this command writes them. */
const MARK = { artifex: 'portal' };

/**
 * The id of a configuration of the billing portal that lets customers do what Artifex knows how to follow
 * (https://docs.stripe.com/customer-management/configure-portal): found, made equal where it has drifted, or made.
 *
 * @param tell told of what is done, in a line
 */
export async function portalConfiguration(stripe: Stripe, tell: (line: string) => void): Promise<string> {
  const features = forStripe();
  const { object: configuration, isNew } = await once({
    key: 'portal',
    find: () => marked(stripe),
    create: (idempotencyKey) =>
      stripe.billingPortal.configurations.create({ features, metadata: MARK, name: 'Artifex' }, { idempotencyKey }),
  });
  if (holds(configuration.features, FEATURES)) {
    tell(`${isNew ? 'Made' : 'Found'} the portal's configuration ${configuration.id}`);
  } else {
    await stripe.billingPortal.configurations.update(configuration.id, { features });
    tell(`Updated the portal's configuration ${configuration.id}: it let customers do something else`);
  }
  return configuration.id;
}

function forStripe(): Stripe.BillingPortal.ConfigurationCreateParams.Features {
  const { customer_update, ...others } = FEATURES;
  return { ...others, customer_update: { ...customer_update, allowed_updates: [...customer_update.allowed_updates] } };
}

async function marked(stripe: Stripe): Promise<Stripe.BillingPortal.Configuration | null> {
  for await (const configuration of stripe.billingPortal.configurations.list({ active: true, limit: 100 })) {
    if (configuration.metadata?.['artifex'] === MARK.artifex) return configuration;
  }
  return null;
}

/** Whether all that is wanted is there; Stripe's objects hold more. Lists are sets. */
function holds(found: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted))
    return Array.isArray(found) && found.length === wanted.length && wanted.every((one) => found.includes(one));
  if (typeof wanted !== 'object' || wanted === null) return found === wanted;
  return Object.entries(wanted).every(([name, value]) => isRecord(found) && holds(found[name], value));
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
