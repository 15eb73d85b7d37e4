import { Hono } from 'hono';
import { z } from 'zod';
import { SUBSCRIPTION_TIERS } from '../domain/tiers.ts';
import { authenticate } from '../middleware/auth.ts';
import type { UserEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import { query } from '../middleware/validate.ts';
import { userAnalytics } from '../repositories/analytics.ts';
import { asUser } from '../workflows/signIn.ts';
import type { RouteDeps } from './deps.ts';
import { readable, represent } from './permitted.ts';
import { byStatusShape, byTypeShape, countSchema, dayShape, daysQuery, sumsShape, timezoneQuery } from './usage.ts';

const by = 'self';

const accountSchema = readable(
  { resource: 'User', by, id: 'UserAnalyticsAccount' },
  {
    id: z.string(),
    subscriptionTier: z.enum(SUBSCRIPTION_TIERS),
    monthlyUsage: countSchema,
    remainingQuota: countSchema,
    totalImagesGenerated: countSchema,
  },
);

const usageSchema = readable(
  { resource: 'Usage', by, id: 'UserUsage' },
  {
    days: z.int().positive(),
    timezone: z.string(),
    ...sumsShape,
    byStatus: readable({ resource: 'UsageByStatus', by, id: 'UserUsageByStatus' }, byStatusShape),
    byType: readable({ resource: 'UsageByType', by, id: 'UserUsageByType' }, byTypeShape),
    dailyGenerations: z
      .array(readable({ resource: 'UsageOfDay', by, id: 'UserUsageOfDay' }, dayShape))
      .describe('Every day, oldest first.'),
  },
);

const answer = readable(
  { resource: 'UserAnalytics', by, id: 'UserAnalytics' },
  { user: accountSchema, analytics: usageSchema },
);

const analyticsQuery = z.strictObject({ days: daysQuery, timezone: timezoneQuery });

export function analyticsRoutes(deps: RouteDeps) {
  const { ctx } = deps;
  return new Hono<UserEnv>().use(authenticate(deps.sessions)).get(
    '/',
    describe({
      summary: 'What you have generated lately',
      description: 'Counted by the day, as it is at this moment.',
      tags: ['analytics'],
      answers: { 200: { description: 'The account, and the days that were asked for.', schema: answer } },
      errors: ['account_deleted'],
    }),
    query(analyticsQuery),
    async (c) => {
      const asked = c.req.valid('query');
      const { user, analytics } = await asUser(deps, c.var.auth, (person) => userAnalytics(ctx, person, asked));
      return c.json(
        represent(answer, { user: represent(accountSchema, user), analytics: represent(usageSchema, analytics) }),
      );
    },
  );
}
