import { Hono } from 'hono';
import { ArtifexError } from '../domain/errors.ts';
import type { EdgeEnv } from '../middleware/context.ts';
import { describe } from '../middleware/describe.ts';
import type { PictureStorage } from '../storage/port.ts';

/** A name is never given to another picture. */
const FOR_EVER = 'public, max-age=31536000, immutable';

/** The finished pictures. They open without a token, in any page; their names cannot be guessed. */
export function imageRoutes({ storage }: { storage: PictureStorage }) {
  return new Hono<EdgeEnv>().get(
    '/:name',
    describe({
      summary: 'A finished picture',
      tags: ['generations'],
      answers: { 200: { description: 'The picture.', mediaType: 'image/*' } },
      errors: ['not_found'],
    }),
    async (c) => {
      const picture = await storage.get(c.req.param('name'));
      if (!picture) throw new ArtifexError('not_found', 'There is no such picture.');
      return c.body(new Uint8Array(picture.bytes), 200, {
        'Content-Type': picture.contentType,
        'Cache-Control': FOR_EVER,
        'Cross-Origin-Resource-Policy': 'cross-origin',
        'Access-Control-Allow-Origin': '*',
      });
    },
  );
}
