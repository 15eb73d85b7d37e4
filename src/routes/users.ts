import { Hono } from 'hono';
import { authenticate } from '../middleware/auth.ts';
import type { UserEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import { jsonBody, query } from '../middleware/validate.ts';
import { changeProfile, getUser } from '../repositories/users.ts';
import { deleteAccount } from '../workflows/deleteAccount.ts';
import { asUser } from '../workflows/signIn.ts';
import type { RouteDeps } from './deps.ts';
import { userChangesSchema, userOut, userSchema } from './representations.ts';
import { noQuery } from './schemas.ts';

const tags = ['users'];

export function userRoutes(deps: RouteDeps) {
  const { ctx } = deps;
  return new Hono<UserEnv>()
    .use(authenticate(deps.sessions))
    .get(
      '/',
      describe({
        summary: 'Who you are',
        description: 'The first request of a person who is not known yet makes the user.',
        tags,
        answers: { 200: { description: 'The user of the session token.', schema: userSchema } },
        errors: ['validation_failed', 'account_deleted'],
      }),
      query(noQuery),
      async (c) => {
        const user = await asUser(deps, c.var.auth, (reference) => getUser(ctx, reference));
        return c.json(userOut(user, ctx.clock.now()));
      },
    )
    .patch(
      '/',
      describe({
        summary: 'Change your name, preferences and settings',
        description:
          'Fields that are named change, also within `preferences` and `settings`; the others stay as they are. The defaults in ' +
          '`preferences` are for the forms of your pages: a new generation takes none of them by itself.',
        tags,
        answers: { 200: { description: 'The user as it is now.', schema: userSchema } },
        errors: ['account_deleted'],
      }),
      query(noQuery),
      jsonBody(userChangesSchema),
      async (c) => {
        const changes = c.req.valid('json');
        const user = await asUser(deps, c.var.auth, (reference) => changeProfile(ctx, reference, changes));
        return c.json(userOut(user, ctx.clock.now()));
      },
    )
    .delete(
      '/',
      describe({
        summary: 'Delete your account',
        description:
          'Every later request is refused with `account_deleted`. Generations that wait are cancelled and refunded; one that is being processed runs on. A subscription ends with the period that is paid for, and is billed no more. To sign up again restores the account with the quota that it had.',
        tags,
        answers: { 204: { description: 'Deleted.' } },
        errors: ['validation_failed', 'account_deleted'],
      }),
      query(noQuery),
      async (c) => {
        const { auth } = c.var;
        const actor = { kind: 'user', id: auth.clerkUserId } as const;
        await asUser(deps, auth, (reference) => deleteAccount(ctx, reference, actor));
        return c.body(null, 204);
      },
    );
}
