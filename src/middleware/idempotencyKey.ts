import { createMiddleware } from 'hono/factory';
import { uniqueSymbol } from 'hono-openapi';
import { ValidationFailedError } from '../domain/errors.ts';
import type { EdgeEnv } from './context.ts';

/** RFC 5234's VCHAR and SP: what a header field can carry on every HTTP version without a coding. */
const PRINTABLE = /^[\x20-\x7e]{1,255}$/;

export interface IdempotencyEnv {
  Variables: EdgeEnv['Variables'] & { idempotencyKey: string | undefined };
}

/**
 * Reads `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header). The value is taken as it stands, quotes and all,
 * as Stripe and its followers do: two spellings are two keys.
 */
export function idempotencyKey() {
  const middleware = createMiddleware<IdempotencyEnv>(async function readIdempotencyKey(c, next) {
    const key = c.req.header('Idempotency-Key');
    if (key !== undefined && !PRINTABLE.test(key)) {
      throw new ValidationFailedError([
        { path: 'Idempotency-Key', message: 'Invalid input: expected 1 to 255 printable ASCII characters' },
      ]);
    }
    c.set('idempotencyKey', key);
    await next();
  });
  return Object.assign(middleware, { [uniqueSymbol]: { spec: IDEMPOTENCY_KEY_SPEC } });
}

const IDEMPOTENCY_KEY_SPEC = {
  parameters: [
    {
      in: 'header',
      name: 'Idempotency-Key',
      description:
        'A name of your own for this request. Sent again with the same body, it is answered with the same resource, and moves no credits again.',
      schema: { type: 'string', minLength: 1, maxLength: 255 },
    },
  ],
};
