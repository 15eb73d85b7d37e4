import type { Hono } from 'hono';
import { generateSpecs } from 'hono-openapi';
import manifest from '../../package.json' with { type: 'json' };
import type { EdgeEnv } from '../middleware/context.ts';

/** An OpenAPI 3.1 document. */
export type OpenApiDocument = Awaited<ReturnType<typeof generateSpecs>>;

const INTRODUCTION = `Bodies are JSON in UTF-8 with camelCase names; instants are ISO 8601 in UTC; ids are opaque strings.
Unknown fields of a body, and unknown or repeated parameters of a query, are refused with \`validation_failed\`.
A body may have 1 MiB. Every error is \`application/problem+json\` (RFC 9457) with a stable \`code\`.
Every answer carries \`X-Request-Id\`: your own, where you sent one of 1 to 128 letters, digits, \`.\`, \`_\` or \`-\`.`;

/** Describes an application by its own routes and the schemas that validate them. */
export function openApiOf(app: Hono<EdgeEnv>): Promise<OpenApiDocument> {
  return generateSpecs(app, {
    excludeStaticFile: false,
    // Each validator documents its own refusal, in the shape that it really has.
    defaultValidationErrorResponse: false,
    documentation: {
      info: { title: 'Artifex', version: manifest.version, description: INTRODUCTION },
      servers: [{ url: '/' }],
      components: {
        securitySchemes: {
          session: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'A Clerk session token. In development `npm run token -- CLERK_USER_ID` prints one.',
          },
        },
      },
    },
  });
}
