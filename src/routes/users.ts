import { Hono } from 'hono';
import { authenticate } from '../middleware/auth.ts';
import type { UserEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import { query } from '../middleware/validate.ts';
import { getUser } from '../repositories/users.ts';
import { asUser } from '../workflows/signIn.ts';
import type { RouteDeps } from './deps.ts';
import { userOut, userSchema } from './representations.ts';
import { noQuery } from './schemas.ts';

export function userRoutes(deps: RouteDeps) {
  const { ctx } = deps;
  return new Hono<UserEnv>().use(authenticate(deps.sessions)).get(
    '/',
    describe({
      summary: 'Who you are',
      description: 'The first request of a person who is not known yet makes the user.',
      tags: ['users'],
      answers: { 200: { description: 'The user of the session token.', schema: userSchema } },
      errors: ['validation_failed', 'account_deleted'],
    }),
    query(noQuery),
    async (c) => {
      const user = await asUser(deps, c.var.auth, (reference) => getUser(ctx, reference));
      return c.json(userOut(user, ctx.clock.now()));
    },
  );
}
