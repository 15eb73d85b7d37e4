import { Types } from 'mongoose';
import { z } from 'zod';

/** The id of a document: opaque outside, a key of the database inside. */
export const idSchema = z
  .string()
  .regex(/^[0-9a-f]{24}$/)
  .transform((hex) => new Types.ObjectId(hex));
