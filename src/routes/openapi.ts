import type { Hono } from 'hono';
import { generateSpecs } from 'hono-openapi';
import manifest from '../../package.json' with { type: 'json' };
import type { EdgeEnv } from '../middleware/context.ts';
import { ANSWER_HEADERS, complete } from './openapiCompletion.ts';
import { describeWebhooks } from './openapiWebhooks.ts';

/** An OpenAPI 3.1 document. */
export type OpenApiDocument = Awaited<ReturnType<typeof generateSpecs>>;

const INTRODUCTION = `To begin, send \`{"type": "text-to-image", "prompt": "A lighthouse at sunset"}\` to \`POST /v1/generations\`, with \`Authorization: Bearer\` and a session token. The answer is a generation; \`GET /v1/generations/{id}\` shows its pictures as soon as it is \`completed\`.
Bodies are JSON in UTF-8 with camelCase names; instants are ISO 8601 in UTC; ids are opaque strings.
Unknown fields of a body, and unknown or repeated parameters of a query, are refused with \`validation_failed\`.
A body may have 1 MiB. Every error is \`application/problem+json\` (RFC 9457) with a stable \`code\`.
Every answer carries \`X-Request-Id\`: your own, where you sent one of 1 to 128 letters, digits, \`.\`, \`_\` or \`-\`.`;

/** The parts of the reference, in the order in which somebody new to it wants them. */
const TAGS = [
  { name: 'generations', description: 'Asking for images, following how they are made, and getting them.' },
  { name: 'quota', description: 'The credits of a month: what is left of them, and what has moved them.' },
  { name: 'users', description: 'Your account.' },
  { name: 'subscription', description: 'A tier with more credits, bought and managed on pages of Stripe.' },
  { name: 'analytics', description: 'What you have generated, day by day.' },
  { name: 'webhook endpoints', description: 'Addresses of yours that are told of what happens to your generations.' },
  {
    name: 'worker',
    description: 'For processes that make images: each claims a generation, and hands its pictures over.',
  },
  { name: 'admin', description: 'For administrators. What they look at and do is kept in the audit trail.' },
  { name: 'operation', description: 'For whoever runs the server, and this description.' },
  { name: 'webhooks', description: 'What Stripe and Clerk tell this server.' },
];

const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const;

/** Describes an application by its own routes and the schemas that validate them. */
export async function openApiOf(app: Hono<EdgeEnv>): Promise<OpenApiDocument> {
  const { webhooks, schemas } = await describeWebhooks();
  const document = await generateSpecs(app, {
    excludeStaticFile: false,
    // What refuses a body documents that itself; this is for the routes with a query alone.
    defaultValidationErrorResponse: {
      description: '`validation_failed`',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
    documentation: {
      info: { title: 'Artifex', version: manifest.version, description: INTRODUCTION },
      servers: [{ url: '/' }],
      tags: TAGS,
      webhooks,
      components: {
        schemas,
        headers: ANSWER_HEADERS,
        securitySchemes: {
          session: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'A Clerk session token. In development `npm run token -- CLERK_USER_ID` prints one.',
          },
          admin: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description:
              'A Clerk session token with the claim `metadata.role` = `admin` (`npm run token -- CLERK_USER_ID --admin`).',
          },
          worker: {
            type: 'http',
            scheme: 'bearer',
            description: 'What the server has as `WORKER_TOKEN`.',
          },
        },
      },
    },
  });
  for (const [address, path] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (!operation) continue;
      complete(operation);
      operation.operationId = operationIdOf(method, address);
    }
  }
  return document;
}

/** `get` and `/v1/users/{id}` are `getV1UsersById`. The generator's own name is that of the middleware, where a module has some. */
function operationIdOf(method: string, address: string): string {
  const words = address.replaceAll('{', 'by-').match(/[A-Za-z0-9]+/g) ?? [];
  return [method, ...words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join('');
}
