import type { Context, ErrorHandler, NotFoundHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { HTTPException } from 'hono/http-exception';
import { errorFields, type Log } from '../config/log.ts';
import { ArtifexError, ERROR_STATUS, type ErrorCode, ValidationFailedError } from '../domain/errors.ts';
import type { EdgeEnv } from './context.ts';
import { isDatabaseUnreachable, refusedFields } from './databaseErrors.ts';
import { PROBLEM_TYPES, problemType } from './problemTypes.ts';
import { Refusal } from './refusal.ts';

/** Seconds after which it is worth to ask again for what was out of reach. */
const RETRY_AFTER_SECONDS = '5';

/** Header fields that answers of a status owe: RFC 6750 section 3; RFC 9110 sections 10.2.3, 12.5.1 and 12.5.3. */
const OWED_HEADERS: Partial<Record<ErrorCode, Record<string, string>>> = {
  unauthenticated: { 'WWW-Authenticate': 'Bearer realm="artifex"' },
  unavailable: { 'Retry-After': RETRY_AFTER_SECONDS },
  unsupported_media_type: { Accept: 'application/json', 'Accept-Encoding': 'identity' },
};

/** The words of Hono's own exceptions, by status. */
const CODE_OF_STATUS: ReadonlyMap<number, ErrorCode> = new Map([
  [400, 'malformed_json'],
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [404, 'not_found'],
  [405, 'method_not_allowed'],
  [409, 'conflict'],
  [413, 'payload_too_large'],
  [415, 'unsupported_media_type'],
  [429, 'rate_limited'],
  [503, 'unavailable'],
]);

/**
 * The one place that turns what was thrown into an answer: `application/problem+json` of RFC 9457. What nobody
 * foresaw is an `internal` that tells the caller nothing, and is logged with the request's id.
 *
 * @example
 * app.onError(problemHandler(log));
 */
export function problemHandler(log: Log): ErrorHandler<EdgeEnv> {
  return function answerWithProblem(thrown, c) {
    const error = refusalOf(thrown, c);
    const fields = { requestId: c.var.requestId, ...errorFields(thrown) };
    if (error.code === 'internal') {
      log.error('request failed', fields);
    } else if (error.code === 'unavailable') {
      log.warn('a service is out of reach', fields);
    }
    return problemAnswer(c, error);
  };
}

/** Hono answers errors alone: whatever else is thrown would end the request without an answer. */
export function throwErrorsOnly() {
  return createMiddleware<EdgeEnv>(async function wrapWhatIsNoError(_c, next) {
    try {
      await next();
    } catch (thrown) {
      throw thrown instanceof Error ? thrown : new Error('Something that is no error was thrown', { cause: thrown });
    }
  });
}

/** Unknown paths, and handlers that call `c.notFound()`. */
export const notFoundHandler: NotFoundHandler<EdgeEnv> = function answerNotFound(c) {
  return problemAnswer(c, new ArtifexError('not_found', 'There is nothing at this address.'));
};

function refusalOf(thrown: Error, c: Context<EdgeEnv>): ArtifexError {
  // What went wrong inside is for the log alone.
  if (thrown instanceof ArtifexError && thrown.code !== 'internal') {
    return thrown;
  }
  if (isDatabaseUnreachable(thrown)) {
    return new ArtifexError('unavailable', `The database is out of reach. ${adviceOnRepeating(c)}`);
  }
  const fields = refusedFields(thrown);
  if (fields) {
    return new ValidationFailedError(fields);
  }
  const code = thrown instanceof HTTPException ? CODE_OF_STATUS.get(thrown.status) : undefined;
  if (code) {
    return new ArtifexError(code, thrown.message || PROBLEM_TYPES[code].meaning);
  }
  return new ArtifexError('internal', 'The fault is ours. Report it with the X-Request-Id of this answer.');
}

function problemAnswer(c: Context<EdgeEnv>, error: ArtifexError): Response {
  const status = ERROR_STATUS[error.code];
  const headers = { ...OWED_HEADERS[error.code], ...(error instanceof Refusal ? error.headers : {}) };
  const problem = problemText(error, instanceOf(c));
  return c.body(problem, status, { ...headers, 'Content-Type': 'application/problem+json' });
}

/** The body of a problem (RFC 9457 section 3). */
export function problemText(error: ArtifexError, instance: string): string {
  return JSON.stringify({
    type: problemType(error.code),
    title: PROBLEM_TYPES[error.code].title,
    status: ERROR_STATUS[error.code],
    detail: error.message,
    instance,
    code: error.code,
    ...error.extensions,
  });
}

/** The path as it was sent. With a broken `Host` the whole address is no URL, and only Hono's reading of the path is left. */
function instanceOf(c: Context<EdgeEnv>): string {
  return URL.canParse(c.req.url) ? new URL(c.req.url).pathname : c.req.path;
}

/** A POST whose answer was lost on the way from the database may have taken effect: only its key makes a repeat the same request. */
function adviceOnRepeating(c: Context<EdgeEnv>): string {
  return c.req.method !== 'POST' || c.req.header('Idempotency-Key') !== undefined
    ? 'It is safe to repeat the request.'
    : 'The request may have taken effect: look before you repeat it. With an Idempotency-Key a repeat is always safe.';
}
