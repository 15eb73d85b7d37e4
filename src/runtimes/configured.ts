import type { Env } from '../config/env.ts';

/** What the environment names, and nothing of what it says. */
export function configuredOf(env: Env): Readonly<Record<string, boolean>> {
  const { clerk, stripe } = env;
  return {
    clerk: clerk.jwtKey !== undefined,
    clerkProfiles: clerk.secretKey !== undefined,
    clerkWebhooks: clerk.webhookSigningSecret !== undefined,
    stripe: stripe.secretKey !== undefined,
    stripeWebhooks: stripe.webhookSecret !== undefined,
    stripePrices: stripe.prices.plus !== undefined && stripe.prices.pro !== undefined,
    outsideWorkers: env.worker.token !== undefined,
    fieldEncryption: env.fieldEncryptionKeys.length > 0,
    traces: env.tracing !== undefined,
  };
}
