import { Hono } from 'hono';
import { authenticate } from '../middleware/auth.ts';
import type { UserEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import { query } from '../middleware/validate.ts';
import { findSubscription } from '../repositories/subscriptions.ts';
import { readAsUser } from '../workflows/signIn.ts';
import type { RouteDeps } from './deps.ts';
import { noQuery } from './schemas.ts';
import { subscriptionOut, subscriptionSchema } from './subscription.ts';

export function subscriptionRoutes(deps: RouteDeps) {
  const { ctx } = deps;
  return new Hono<UserEnv>().use(authenticate(deps.sessions)).get(
    '/',
    describe({
      summary: 'Your subscription',
      description: 'The one that has not ended, else the latest; without any, the tier is `free` and the status null.',
      tags: ['subscription'],
      answers: { 200: { description: 'As it is now.', schema: subscriptionSchema } },
      errors: ['account_deleted'],
    }),
    query(noQuery),
    async (c) => {
      const subscription = await readAsUser(deps, c.var.auth, (userId) => findSubscription(ctx, userId));
      return c.json(subscriptionOut(subscription));
    },
  );
}
