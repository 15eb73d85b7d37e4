import { describeRoute, type ResponsesWithResolver, resolver } from 'hono-openapi';
import type { z } from 'zod';
import { ERROR_STATUS, type ErrorCode } from '../domain/errors.ts';
import { problemSchema } from './problemSchema.ts';

/** One success of a route: what it means, and the schema of its JSON body where it has one. */
export interface Answer {
  description: string;
  schema?: z.ZodType;
  /** Of a body that is no JSON; its schema is then text or bytes. */
  mediaType?: string;
  headers?: Readonly<Record<string, string>>;
}

export interface Description {
  summary: string;
  description?: string;
  tags: string[];
  answers: Readonly<Record<number, Answer>>;
  /** The codes that are this route's own. Those of its body, its token and of the server itself are added. */
  errors?: readonly ErrorCode[];
}

/**
 * Documents a route: hono-openapi's `describeRoute`, with every error as the problem that it really is.
 *
 * @example
 * routes.get('/', describe({ summary: 'Your quota', tags: ['quota'], answers: { 200: { description: 'Quota', schema } } }), handler);
 */
export function describe(description: Description) {
  const { answers, errors = [], ...rest } = description;
  const successes: ResponsesWithResolver = {};
  for (const [status, answer] of Object.entries(answers)) {
    successes[status] = successAnswer(answer);
  }
  return describeRoute({ ...rest, responses: { ...successes, ...problemAnswers(errors) } });
}

function successAnswer({ description, schema, mediaType, headers = {} }: Answer) {
  const fields = Object.entries(headers).map(([name, text]) => [
    name,
    { description: text, schema: { type: 'string' as const } },
  ]);
  return {
    description,
    ...(fields.length > 0 ? { headers: Object.fromEntries(fields) } : {}),
    // What leaves, not what a schema would also take: defaults are present in an answer.
    ...(schema ? { content: { 'application/json': { schema: resolver(schema, { options: { io: 'output' } }) } } } : {}),
    ...(mediaType === undefined ? {} : { content: { [mediaType]: { schema: { type: 'string' as const } } } }),
  };
}

/** The answers that these codes make, one for each status. */
export function problemAnswers(codes: readonly ErrorCode[]): ResponsesWithResolver {
  const answers: ResponsesWithResolver = {};
  for (const status of new Set(codes.map((code) => ERROR_STATUS[code]))) {
    const sameStatus = codes.filter((code) => ERROR_STATUS[code] === status);
    answers[status] = problemAnswer(sameStatus.map((code) => `\`${code}\``).join(', '));
  }
  return answers;
}

/** Every error that a route does not name: those of the server itself, and those of HTTP. */
export function anyProblem() {
  return problemAnswer('Any other error.');
}

function problemAnswer(description: string) {
  const schema = resolver(problemSchema, { options: { io: 'output' } });
  return { description, content: { 'application/problem+json': { schema } } };
}
