import { createMiddleware } from 'hono/factory';
import { uniqueSymbol } from 'hono-openapi';
import type { UserEnv } from '../../middleware/context.ts';
import { problemAnswers } from '../../middleware/describe.ts';
import { type SignIn, userIdOf } from '../../workflows/signIn.ts';

/**
 * Lets administrators pass whose own account is there: a session token outlives a deletion. Who is not known yet becomes a user, as by
 * any first request. It stands behind `requireAdmin`, and before a request is looked at.
 */
export function requireAccount(signIn: SignIn) {
  const middleware = createMiddleware<UserEnv>(async function refuseDeleted(c, next) {
    await userIdOf(signIn, c.var.auth);
    await next();
  });
  return Object.assign(middleware, {
    [uniqueSymbol]: { spec: { responses: problemAnswers(['forbidden', 'account_deleted']) } },
  });
}
