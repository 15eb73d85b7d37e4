import { createMiddleware } from 'hono/factory';
import { uniqueSymbol } from 'hono-openapi';
import { ArtifexError } from '../domain/errors.ts';
import type { EdgeEnv } from './context.ts';
import { problemAnswers } from './describe.ts';

/**
 * Refuses requests until the database has been reached and its unique indexes stand: a write before that could leave a double
 * behind. Later failures show in the statements themselves.
 */
export function requireDatabase(isPrepared: () => boolean) {
  const middleware = createMiddleware<EdgeEnv>(async function refuseUntilPrepared(_, next) {
    if (!isPrepared()) {
      throw new ArtifexError(
        'unavailable',
        'The database is out of reach; nothing was changed. Try again in a moment.',
      );
    }
    await next();
  });
  return Object.assign(middleware, { [uniqueSymbol]: { spec: { responses: problemAnswers(['unavailable']) } } });
}
