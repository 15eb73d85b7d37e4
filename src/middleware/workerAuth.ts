import { createMiddleware } from 'hono/factory';
import { uniqueSymbol } from 'hono-openapi';
import { constantTimeEqual } from '../domain/constantTime.ts';
import { BEARER_SCHEME } from './auth.ts';
import { challenge } from './challenge.ts';
import type { EdgeEnv } from './context.ts';
import { problemAnswers } from './describe.ts';
import { Refusal } from './refusal.ts';

/** The form of RFC 6750 section 2.1. */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/**
 * Lets outside workers pass, who show the token that all of them share.
 *
 * @param expected without it nobody passes: then there are no outside workers
 * @example
 * const routes = new Hono<EdgeEnv>().use(authenticateWorker(env.worker.token));
 */
export function authenticateWorker(expected: string | undefined) {
  const middleware = createMiddleware<EdgeEnv>(async function requireWorker(c, next) {
    const authorization = c.req.header('Authorization');
    if (authorization === undefined || !BEARER_SCHEME.test(authorization)) {
      throw new Refusal('unauthenticated', 'Send `Authorization: Bearer` with the token of the workers.', challenge());
    }
    const shown = BEARER.exec(authorization)?.[1] ?? '';
    const isRight = await constantTimeEqual(shown, expected ?? '');
    // Whether there is a token at all is nobody's business.
    if (!isRight || !expected) {
      throw new Refusal('unauthenticated', 'This is not the token of the workers.', challenge('invalid_token'));
    }
    await next();
  });
  return Object.assign(middleware, {
    [uniqueSymbol]: { spec: { security: [{ worker: [] }], responses: problemAnswers(['unauthenticated']) } },
  });
}
