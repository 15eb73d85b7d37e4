import { Hono } from 'hono';
import { z } from 'zod';
import { SUBSCRIPTION_TIERS } from '../domain/tiers.ts';
import { authenticate } from '../middleware/auth.ts';
import type { UserEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import { emptyBody, jsonBody, query } from '../middleware/validate.ts';
import { findSubscription } from '../repositories/subscriptions.ts';
import { getUser } from '../repositories/users.ts';
import { asUser, readAsUser, userIdOf } from '../workflows/signIn.ts';
import type { RouteDeps } from './deps.ts';
import { readable, represent, writable } from './permitted.ts';
import { noQuery } from './schemas.ts';
import { subscriptionOut, subscriptionSchema } from './subscription.ts';

const checkoutRequest = writable(
  { resource: 'Checkout', by: 'self', id: 'CheckoutRequest', example: { tier: 'plus' } },
  { tier: z.enum(['plus', 'pro']) },
);
const pageSchema = readable(
  { resource: 'Checkout', by: 'self', id: 'StripePage' },
  { url: z.url().describe('A page of Stripe: send the person there.') },
);
const changeRequest = writable(
  { resource: 'SubscriptionChange', by: 'self', id: 'SubscriptionChange', example: { tier: 'pro' } },
  {
    tier: z
      .enum(SUBSCRIPTION_TIERS)
      .exactOptional()
      .describe(
        'A higher one takes effect at once, a lower one at the end of the period; `free` ends the subscription then.',
      ),
    cancelAtPeriodEnd: z.boolean().exactOptional(),
  },
);

export function subscriptionRoutes(deps: RouteDeps) {
  const { ctx, billing } = deps;
  return new Hono<UserEnv>()
    .use(authenticate(deps.sessions))
    .get(
      '/',
      describe({
        summary: 'Your subscription',
        description:
          'The one that has not ended, else the latest; without any, the tier is `free` and the status null.',
        tags: ['subscription'],
        answers: { 200: { description: 'As it is now.', schema: subscriptionSchema } },
        errors: ['account_deleted'],
      }),
      query(noQuery),
      async (c) => {
        const subscription = await readAsUser(deps, c.var.auth, (userId) => findSubscription(ctx, userId));
        return c.json(subscriptionOut(subscription));
      },
    )
    .post(
      '/checkout',
      describe({
        summary: 'Buy a subscription',
        description: 'One Checkout is open at a time: asking again for the same tier gives the same page.',
        tags: ['subscription'],
        answers: { 201: { description: 'Where to pay.', schema: pageSchema } },
        errors: ['account_deleted', 'conflict', 'unavailable'],
      }),
      query(noQuery),
      jsonBody(checkoutRequest),
      async (c) => {
        const { tier } = c.req.valid('json');
        const user = await asUser(deps, c.var.auth, (reference) => getUser(ctx, reference));
        return c.json(represent(pageSchema, { url: await billing.checkout(user, tier) }), 201);
      },
    )
    .post(
      '/portal',
      describe({
        summary: 'Manage payment',
        description: "Stripe's billing portal: cards, invoices, cancellation.",
        tags: ['subscription'],
        answers: { 201: { description: 'Where to manage it.', schema: pageSchema } },
        errors: ['account_deleted', 'conflict', 'unavailable'],
      }),
      query(noQuery),
      emptyBody(),
      async (c) => {
        const userId = await userIdOf(deps, c.var.auth);
        return c.json(represent(pageSchema, { url: await billing.portal(userId) }), 201);
      },
    )
    .patch(
      '/',
      describe({
        summary: 'Change your subscription',
        description:
          'Change the tier, end the subscription with its period, or take that back. A change that is there already is not made again.',
        tags: ['subscription'],
        answers: { 200: { description: 'As it is now.', schema: subscriptionSchema } },
        errors: ['account_deleted', 'conflict', 'unavailable'],
      }),
      query(noQuery),
      jsonBody(changeRequest),
      async (c) => {
        const change = c.req.valid('json');
        const userId = await userIdOf(deps, c.var.auth);
        await billing.change(userId, change);
        return c.json(subscriptionOut(await findSubscription(ctx, userId)));
      },
    );
}
