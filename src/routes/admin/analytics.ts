import { Hono } from 'hono';
import { z } from 'zod';
import type { UserEnv } from '../../middleware/context.ts';
import { describe } from '../../middleware/describe.ts';
import { query } from '../../middleware/validate.ts';
import { systemAnalytics } from '../../repositories/analytics.ts';
import type { RouteDeps } from '../deps.ts';
import { readable, represent } from '../permitted.ts';
import { byStatusShape, byTypeShape, countSchema, dayShape, daysQuery, sumsShape, timezoneQuery } from '../usage.ts';

const by = 'admin';

const overviewSchema = readable(
  { resource: 'Usage', by, id: 'SystemUsage' },
  {
    totalUsers: countSchema.describe('As things are now; deleted users are left out.'),
    activeUsers: countSchema.describe('Users who asked for something on these days.'),
    usersByTier: readable(
      { resource: 'UsersByTier', by, id: 'UsersByTier' },
      { free: countSchema, plus: countSchema, pro: countSchema },
    ),
    activeSubscriptions: countSchema,
    ...sumsShape,
    byStatus: readable({ resource: 'UsageByStatus', by, id: 'SystemUsageByStatus' }, byStatusShape),
    byType: readable({ resource: 'UsageByType', by, id: 'SystemUsageByType' }, byTypeShape),
  },
);

const trendsSchema = readable(
  { resource: 'Usage', by, id: 'SystemTrends' },
  {
    dailyTrends: z
      .array(
        readable(
          { resource: 'UsageOfDay', by, id: 'SystemUsageOfDay' },
          { ...dayShape, newUsers: countSchema.describe('Sign-ups of the day.') },
        ),
      )
      .describe('Every day, oldest first.'),
  },
);

const answer = readable(
  { resource: 'SystemAnalytics', by, id: 'SystemAnalytics' },
  { overview: overviewSchema, trends: trendsSchema },
);

const analyticsQuery = z.strictObject({ days: daysQuery, timezone: timezoneQuery });

export function adminAnalyticsRoutes({ ctx }: RouteDeps) {
  return new Hono<UserEnv>().get(
    '/',
    describe({
      summary: 'What everybody has generated lately',
      tags: ['admin'],
      answers: { 200: { description: 'Overview and days; at most a minute old.', schema: answer } },
    }),
    query(analyticsQuery),
    async (c) => {
      const { overview, trends } = await systemAnalytics(ctx, c.req.valid('query'));
      return c.json(
        represent(answer, { overview: represent(overviewSchema, overview), trends: represent(trendsSchema, trends) }),
      );
    },
  );
}
