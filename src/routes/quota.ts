import { Hono } from 'hono';
import { z } from 'zod';
import { MAX_CREDITS } from '../domain/credits.ts';
import { idempotencyOf } from '../domain/idempotency.ts';
import { quotaOf } from '../domain/quota.ts';
import { authenticate } from '../middleware/auth.ts';
import type { UserEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import { idempotencyKey } from '../middleware/idempotencyKey.ts';
import { limitUsers } from '../middleware/rateLimit.ts';
import { jsonBody, query } from '../middleware/validate.ts';
import { getUser } from '../repositories/users.ts';
import { consumeQuota } from '../workflows/consumeQuota.ts';
import { readLedger } from '../workflows/readLedger.ts';
import { asUser, readAsUser } from '../workflows/signIn.ts';
import type { RouteDeps } from './deps.ts';
import { pageOut, positionOf } from './paging.ts';
import { readable, represent, writable } from './permitted.ts';
import { ledgerEntryOut, ledgerEntrySchema, quotaOut, quotaSchema } from './representations.ts';
import { noQuery, pageOf, pageQuery, queryInteger } from './schemas.ts';

const quotaQuery = z.strictObject({
  credits: queryInteger({ min: 1, max: MAX_CREDITS }).default(1).describe('Credits that you would like to spend.'),
});
const quotaAnswer = readable(
  { resource: 'QuotaCheck', by: 'self', id: 'QuotaCheck' },
  {
    ...quotaSchema.shape,
    allowed: z.boolean().describe('Advice: only a charge decides.'),
    credits: z.int().positive(),
  },
);

const consumption = writable(
  { resource: 'Consumption', by: 'self', id: 'ConsumptionRequest', example: { credits: 2, reason: 'A print' } },
  {
    credits: z.int().min(1).max(MAX_CREDITS),
    reason: z.string().min(1).max(500).exactOptional(),
  },
);
const consumptionAnswer = readable(
  { resource: 'Consumption', by: 'self', id: 'Consumption' },
  { chargeId: z.string(), credits: z.int().positive(), quota: quotaSchema },
);

const ledgerPosition = z.tuple([z.int().positive()]);

export function quotaRoutes(deps: RouteDeps) {
  const { ctx } = deps;
  return new Hono<UserEnv>()
    .use(authenticate(deps.sessions), limitUsers(deps.quotaLimiter))
    .get(
      '/',
      describe({
        summary: 'What you may still generate',
        tags: ['quota'],
        answers: { 200: { description: 'The quota of this period.', schema: quotaAnswer } },
        errors: ['validation_failed', 'account_deleted'],
      }),
      query(quotaQuery),
      async (c) => {
        const { credits } = c.req.valid('query');
        const user = await asUser(deps, c.var.auth, (reference) => getUser(ctx, reference));
        const quota = quotaOf(user, ctx.clock.now());
        return c.json(represent(quotaAnswer, { allowed: quota.remaining >= credits, credits, ...quotaOut(quota) }));
      },
    )
    .post(
      '/consume',
      describe({
        summary: 'Spend credits',
        description: 'For work that is no generation of Artifex; a generation is charged when it is created.',
        tags: ['quota'],
        answers: {
          200: {
            description: 'The credits were taken, once.',
            schema: consumptionAnswer,
            headers: { 'Idempotency-Replayed': '`true` when the key had been used before.' },
          },
        },
        errors: ['insufficient_quota', 'account_deleted', 'idempotency_key_reused'],
      }),
      query(noQuery),
      idempotencyKey(),
      jsonBody(consumption),
      async (c) => {
        const body = c.req.valid('json');
        const { auth, idempotencyKey: key } = c.var;
        const idempotency = await idempotencyOf(auth.clerkUserId, key, { route: 'POST /v1/quota/consume', body });
        const consumed = await asUser(deps, auth, (user) => consumeQuota(ctx, user, body, idempotency));
        if (consumed.repeated) c.header('Idempotency-Replayed', 'true');
        return c.json(
          represent(consumptionAnswer, {
            chargeId: consumed.chargeId.toHexString(),
            credits: consumed.credits,
            quota: quotaOut(consumed.quota),
          }),
        );
      },
    )
    .get(
      '/ledger',
      describe({
        summary: 'What moved your credits',
        tags: ['quota'],
        answers: { 200: { description: 'Newest first.', schema: pageOf(ledgerEntrySchema) } },
        errors: ['validation_failed', 'account_deleted'],
      }),
      query(pageQuery),
      async (c) => {
        const { limit, cursor } = c.req.valid('query');
        const [before] = positionOf(cursor, ledgerPosition) ?? [];
        const entries = await readAsUser(deps, c.var.auth, (userId) =>
          readLedger(ctx, userId, { limit: limit + 1, before }),
        );
        return c.json(pageOut(entries, limit, ledgerEntryOut, ({ sequence }) => [sequence]));
      },
    );
}
