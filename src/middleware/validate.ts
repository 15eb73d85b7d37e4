import { zValidator } from '@hono/zod-validator';
import type { Env } from 'hono';
import { type DescribeRouteOptions, resolver, uniqueSymbol } from 'hono-openapi';
import { z } from 'zod';
import { ArtifexError, type ErrorCode, type FieldError, ValidationFailedError } from '../domain/errors.ts';
import { readJsonText } from './body.ts';
import { problemAnswers } from './describe.ts';
import { unsafeNames } from './safeNames.ts';

// One schema validates a part of the request, types `c.req.valid(...)` and documents the route. `@hono/zod-validator`
// does the first two; for the third, a middleware carries hono-openapi's symbol.

const BODY_PROBLEMS: readonly ErrorCode[] = [
  'validation_failed',
  'malformed_json',
  'payload_too_large',
  'unsupported_media_type',
];

/**
 * The JSON body of a route. Give a `z.strictObject`, so that unknown fields are refused.
 *
 * @example
 * routes.post('/', jsonBody(z.strictObject({ credits: z.int().min(1) })), (c) => c.json(c.req.valid('json')));
 */
export function jsonBody<Schema extends z.ZodType, E extends Env, P extends string>(schema: Schema) {
  const parseBody: BodyValidator<Schema, E, P> = async function parseBody(c, next) {
    const text = await readJsonText(c.req.raw);
    if (text.trim() === '') {
      throw new ArtifexError('malformed_json', 'The body is empty; send a JSON object.');
    }
    const body = parsed(text);
    c.req.addValidatedData('json', validated(await schema.safeParseAsync(body)));
    refuseUnsafeNames(body);
    await next();
  };
  return documentedAs(parseBody, {
    requestBody: { required: true, content: { 'application/json': { schema: resolver(schema) } } },
    responses: problemAnswers(BODY_PROBLEMS),
  });
}

/** A route whose body is empty by contract. Clients that cannot send a POST without one may send `{}`. */
export function emptyBody<E extends Env, P extends string>() {
  const schema = z.strictObject({});
  const refuseBody: BodyValidator<typeof schema, E, P> = async function refuseBody(c, next) {
    const text = await readJsonText(c.req.raw);
    c.req.addValidatedData('json', validated(schema.safeParse(text.trim() === '' ? {} : parsed(text))));
    await next();
  };
  return documentedAs(refuseBody, { responses: problemAnswers(BODY_PROBLEMS) });
}

/**
 * The query of a route. Give a `z.strictObject`: a parameter that is unknown or stands twice is refused, since
 * ignoring a mistyped filter answers a question that nobody asked.
 */
export function query<Schema extends z.ZodType, E extends Env, P extends string>(schema: Schema) {
  const validate = zValidator<Schema, 'query', E, P, typeof refuseFields>('query', schema, refuseFields);
  return Object.assign(validate, {
    [uniqueSymbol]: { target: 'query', ...resolver(schema, { options: { override: showDefault } }) },
  });
}

/** The parameters of a path. One that cannot name a resource names none: 404, as for any other unknown id. */
export function params<Schema extends z.ZodType, E extends Env, P extends string>(schema: Schema) {
  const validate = zValidator<Schema, 'param', E, P, typeof refuseAddress>('param', schema, refuseAddress);
  return Object.assign(validate, { [uniqueSymbol]: { target: 'param', ...resolver(schema) } });
}

/** Zod's issues as the `errors` of a problem; an unknown field is named by its own path. */
export function fieldErrors(error: z.core.$ZodError): FieldError[] {
  return error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: 'Unknown field' }));
    }
    return [{ path: pathOf(issue.path), message: issue.message }];
  });
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.map(String).join('.');
}

/**
 * For what a schema lets through as it comes, such as free metadata: no name from outside reaches the database as an operator or
 * a path.
 */
function refuseUnsafeNames(body: unknown): void {
  const errors = unsafeNames(body);
  if (errors.length > 0) throw new ValidationFailedError(errors);
}

/** What `@hono/zod-validator` would make: it would read the body a second time, which is spent. */
type BodyValidator<Schema extends z.ZodType, E extends Env, P extends string> = ReturnType<
  typeof zValidator<Schema, 'json', E, P, typeof refuseFields>
>;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text, SURROGATE_ESCAPE.test(text) ? refuseHalfCharacters : undefined);
  } catch (error) {
    if (error instanceof ArtifexError) throw error;
    throw new ArtifexError('malformed_json', 'Malformed JSON in request body');
  }
}

/** One half, or both, of what UTF-16 needs two units for: RFC 8259 section 7. */
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;

/** A half alone is no character, and has no UTF-8: it would be stored as another text than was sent (RFC 8259 section 8.2). */
function refuseHalfCharacters(name: string, value: unknown): unknown {
  if (name.isWellFormed() && (typeof value !== 'string' || value.isWellFormed())) return value;
  throw new ArtifexError(
    'malformed_json',
    'The body has a text with half of a surrogate pair in it, which is no character.',
  );
}

function validated(outcome: z.ZodSafeParseResult<unknown>): object {
  if (!outcome.success) throw new ValidationFailedError(fieldErrors(outcome.error));
  // A body's schema is one of an object.
  return Object(outcome.data);
}

type Outcome = { success: true } | { success: false; error: z.core.$ZodError };

function refuseFields(outcome: Outcome): void {
  if (!outcome.success) {
    throw new ValidationFailedError(fieldErrors(outcome.error));
  }
}

function refuseAddress(outcome: Outcome): void {
  if (!outcome.success) {
    throw new ArtifexError('not_found', 'There is nothing at this address.');
  }
}

/** A default that stands behind a transformation is left out by Zod, as it may not fit the input; ours do. */
const showDefault: NonNullable<z.core.ToJSONSchemaParams['override']> = ({ zodSchema, jsonSchema }) => {
  const { def } = zodSchema._zod;
  if (def.type === 'default') {
    jsonSchema.default = def.defaultValue;
  }
};

function documentedAs<Middleware extends object>(middleware: Middleware, spec: DescribeRouteOptions): Middleware {
  return Object.assign(middleware, { [uniqueSymbol]: { spec } });
}
