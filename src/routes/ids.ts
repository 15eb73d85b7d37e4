import { Types } from 'mongoose';
import { z } from 'zod';
import { WEBHOOK_SOURCES } from '../domain/inbox.ts';

/** The id of a document: opaque outside, a key of the database inside. */
export const idSchema = z
  .string()
  .regex(/^[0-9a-f]{24}$/)
  .transform((hex) => new Types.ObjectId(hex));

/** The id of an event of Stripe or Clerk: its source, and the sender's own, which is visible ASCII without a space. */
export const eventIdSchema = z.string().regex(new RegExp(`^(?:${WEBHOOK_SOURCES.join('|')}):[!-~]{1,255}$`));
