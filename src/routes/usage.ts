import { z } from 'zod';
import { ANALYTICS_DEFAULTS, ANALYTICS_LIMITS } from '../domain/analytics.ts';
import { isTimeZone } from '../domain/calendar.ts';
import { queryInteger } from './schemas.ts';

/** The words in which analytics tell of generations, for a user and for the whole system alike. */

const { minDays, maxDays } = ANALYTICS_LIMITS;

/** Longer than any name of the IANA time zone database. */
const MAX_ZONE_LENGTH = 64;

/** The query of analytics. */
export const daysQuery = queryInteger({ min: minDays, max: maxDays })
  .default(ANALYTICS_DEFAULTS.days)
  .describe('Calendar days, today included.');

export const timezoneQuery = z
  .string()
  .max(MAX_ZONE_LENGTH)
  .refine(isTimeZone, { error: 'Give an IANA time zone, such as Europe/Paris' })
  .default(ANALYTICS_DEFAULTS.timezone)
  .describe('A name of the IANA time zone database: whose calendar the days are of.');

const count = z.int().nonnegative();

export const byStatusShape = { pending: count, processing: count, completed: count, failed: count, cancelled: count };

export const byTypeShape = {
  'text-to-image': count,
  'image-to-image': count,
  inpainting: count,
  outpainting: count,
  upscale: count,
  variation: count,
};

/** What all requests of the days come to. */
export const sumsShape = {
  totalGenerations: count.describe('Requests of these days, by when they were made.'),
  creditsUsed: count.describe('Credits that were not given back.'),
  averageProcessingTime: z.number().nonnegative().describe('Mean seconds over the completed; 0 without any.'),
  successRate: z.number().min(0).max(1).describe('Completed of those that succeeded or failed; 0 without any.'),
};

export const dayShape = { date: z.iso.date(), total: count, completed: count, failed: count, credits: count };

export { count as countSchema };
