import type { Types } from 'mongoose';
import { ArtifexError } from '../domain/errors.ts';
import { customerOf } from './customers.ts';
import { calling, isMissing } from './stripe.ts';
import type { BillingDeps } from './sync.ts';

/**
 * The address of Stripe's billing portal, for who has been a customer.
 *
 * @throws {ArtifexError} `conflict` for who never was one, `unavailable`
 */
export async function openPortal(deps: BillingDeps, userId: Types.ObjectId): Promise<string> {
  const { stripe, config } = deps;
  const { portalConfiguration: configuration } = config;
  const customer = await customerOf(deps.store, userId);
  if (customer === undefined) throw noCustomer();
  const { url } = await calling(() =>
    stripe.billingPortal.sessions
      .create({
        customer,
        return_url: `${config.appUrl}/billing`,
        ...(configuration !== undefined && { configuration }),
      })
      .catch((error: unknown) => {
        throw isMissing(error, 'customer') ? noCustomer() : error;
      }),
  );
  return url;
}

export const noCustomer = () =>
  new ArtifexError('conflict', 'There is nothing to manage yet: the first Checkout makes a customer of you.');
