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
export async function openApiOf(app: Hono<EdgeEnv>): Promise<OpenApiDocument> {
  const document = await generateSpecs(app, {
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
          admin: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description:
              'A Clerk session token with the claim `metadata.role` = `admin` (`npm run token -- CLERK_USER_ID --admin`).',
          },
        },
      },
    },
  });
  for (const path of Object.values(document.paths)) {
    for (const operation of [path.get, path.put, path.post, path.patch, path.delete]) {
      withEachSecurityOnce(operation);
    }
  }
  return document;
}

/** The generator adds what a module's middleware says once for each documented handler of a route. */
function withEachSecurityOnce(operation: { security?: Record<string, string[]>[] } | undefined): void {
  if (operation?.security) {
    const byName = new Map(operation.security.map((requirement) => [JSON.stringify(requirement), requirement]));
    operation.security = [...byName.values()];
  }
}
