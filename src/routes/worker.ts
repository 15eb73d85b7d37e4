import { Hono } from 'hono';
import { z } from 'zod';
import type { EdgeEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import { jsonBody, params, query } from '../middleware/validate.ts';
import { authenticateWorker } from '../middleware/workerAuth.ts';
import { renewLease } from '../repositories/leases.ts';
import { claim } from '../workflows/claim.ts';
import { complete, fail } from '../workflows/endGeneration.ts';
import type { RouteDeps } from './deps.ts';
import { idSchema } from './ids.ts';
import { originOf } from './origin.ts';
import { noQuery } from './schemas.ts';
import {
  claimedOut,
  claimedSchema,
  claimSchema,
  completionSchema,
  failureSchema,
  heartbeatSchema,
  workerGenerationOut,
  workerGenerationSchema,
} from './workerSchemas.ts';

const tags = ['worker'];
const oneGeneration = params(z.object({ id: idSchema }));
const asItIs = (description: string) => ({ 200: { description, schema: workerGenerationSchema } });

/** For workers outside of this process: they claim a generation under a lease, keep it by heartbeats, and end it. */
export function workerRoutes({ ctx, workerToken }: RouteDeps) {
  return new Hono<EdgeEnv>()
    .use(authenticateWorker(workerToken))
    .post(
      '/claim',
      describe({
        summary: 'Claim a generation',
        description: 'Leases the generation that has waited longest. What a lease allows, its token proves.',
        tags,
        answers: {
          200: { description: 'Yours while the lease lasts.', schema: claimedSchema },
          204: { description: 'Nothing waits. Ask again in a second or so.' },
        },
      }),
      query(noQuery),
      jsonBody(claimSchema),
      async (c) => {
        const claimed = await claim(ctx, c.req.valid('json'));
        return claimed ? c.json(claimedOut(claimed, originOf(c.req.url)), 200) : c.body(null, 204);
      },
    )
    .post(
      '/:id/heartbeat',
      describe({
        summary: 'Keep a lease',
        description: 'For as long again as the claim asked for. Send one every third of that time.',
        tags,
        answers: asItIs('The lease goes on.'),
        errors: ['not_found', 'lease_lost'],
      }),
      oneGeneration,
      query(noQuery),
      jsonBody(heartbeatSchema),
      async (c) => {
        const renewed = await renewLease(ctx, c.req.valid('param').id, c.req.valid('json').leaseToken);
        return c.json(workerGenerationOut(renewed, originOf(c.req.url)), 200);
      },
    )
    .post(
      '/:id/complete',
      describe({
        summary: 'End a generation with its pictures',
        description:
          'Sent again with the same pictures, as after an answer that was lost, it is answered with the generation.',
        tags,
        answers: asItIs('Completed, and counted for its user.'),
        errors: ['not_found', 'lease_lost', 'invalid_transition'],
      }),
      oneGeneration,
      query(noQuery),
      jsonBody(completionSchema),
      async (c) => {
        const { leaseToken, outputImages, processingTime } = c.req.valid('json');
        // As URL has them: no blanks, line breaks or other writing of what everybody will be shown.
        const images = outputImages.map((image) => ({ ...image, url: new URL(image.url).href }));
        const result = { outputImages: images, processingTime };
        const completed = await complete(ctx, c.req.valid('param').id, leaseToken, result);
        return c.json(workerGenerationOut(completed, originOf(c.req.url)), 200);
      },
    )
    .post(
      '/:id/fail',
      describe({
        summary: 'End an attempt without pictures',
        description:
          'A generation that may be retried waits for another attempt; the last one, and any other, fails it for good and gives its credits back. Sent again, it is answered with the generation.',
        tags,
        answers: asItIs('As it is now.'),
        errors: ['not_found', 'lease_lost', 'invalid_transition'],
      }),
      oneGeneration,
      query(noQuery),
      jsonBody(failureSchema),
      async (c) => {
        const { leaseToken, ...failure } = c.req.valid('json');
        const failed = await fail(ctx, c.req.valid('param').id, leaseToken, failure);
        return c.json(workerGenerationOut(failed, originOf(c.req.url)), 200);
      },
    );
}
