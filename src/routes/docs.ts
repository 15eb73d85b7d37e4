import { Hono } from 'hono';
import { z } from 'zod';
import type { EdgeEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import { docsPage } from './docsPage.ts';
import { DOCS_STYLE } from './docsStyle.ts';
import type { OpenApiDocument } from './openapi.ts';

/** The page has no script and loads nothing but its own style sheet. */
const PAGE_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/**
 * The description of the API, for machines and for people.
 *
 * @param document asked once, at the first request: only then are all routes there.
 */
export function docsRoutes(document: () => Promise<OpenApiDocument>) {
  let made: Promise<OpenApiDocument> | undefined;
  const openApi = () => {
    made ??= document();
    return made;
  };
  return new Hono<EdgeEnv>()
    .get(
      '/openapi.json',
      describe({
        summary: 'This API as an OpenAPI 3.1 document',
        tags: ['operation'],
        answers: { 200: { description: 'OpenAPI 3.1', schema: z.looseObject({ openapi: z.string() }) } },
      }),
      async (c) => c.json(await openApi()),
    )
    .get(
      '/docs',
      describe({
        summary: 'This reference',
        tags: ['operation'],
        answers: { 200: { description: 'A page without scripts.', mediaType: 'text/html' } },
      }),
      async (c) => {
        c.header('Content-Security-Policy', PAGE_POLICY);
        return c.html(docsPage(await openApi()));
      },
    )
    .get(
      '/docs/style.css',
      describe({
        summary: 'Its style sheet',
        tags: ['operation'],
        answers: { 200: { description: 'The style sheet.', mediaType: 'text/css' } },
      }),
      (c) => c.body(DOCS_STYLE, 200, { 'Content-Type': 'text/css; charset=utf-8' }),
    );
}
