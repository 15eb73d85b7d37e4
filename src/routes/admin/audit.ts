import { Hono } from 'hono';
import { z } from 'zod';
import type { UserEnv } from '../../middleware/context.ts';
import { describe } from '../../middleware/describe.ts';
import { query } from '../../middleware/validate.ts';
import { listAudit } from '../../repositories/audit.ts';
import type { RouteDeps } from '../deps.ts';
import { idSchema } from '../ids.ts';
import { pageOut, positionOf } from '../paging.ts';
import { pageOf, pageQuery } from '../schemas.ts';
import { auditEntryOut, auditEntrySchema } from './representations.ts';

const auditPosition = z
  .tuple([z.iso.datetime().transform((text) => new Date(text)), idSchema])
  .transform(([at, id]) => ({ at, id }));

export function adminAuditRoutes({ ctx }: RouteDeps) {
  return new Hono<UserEnv>().get(
    '/',
    describe({
      summary: 'The audit trail',
      description: 'Who did what to which document, and when.',
      tags: ['admin'],
      answers: { 200: { description: 'Newest first.', schema: pageOf(auditEntrySchema) } },
    }),
    query(pageQuery),
    async (c) => {
      const { limit, cursor } = c.req.valid('query');
      const found = await listAudit(ctx, { after: positionOf(cursor, auditPosition), limit: limit + 1 });
      return c.json(pageOut(found, limit, auditEntryOut, ({ at, _id }) => [at.toISOString(), _id.toHexString()]));
    },
  );
}
