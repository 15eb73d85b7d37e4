import type { Types } from 'mongoose';
import { IMAGE_GENERATION_TYPES } from '@/domain/generation.ts';
import { GENERATION_STATUSES } from '@/domain/lifecycle.ts';
import { generationsOf } from '@/models/collections.ts';
import type { ImageGeneration } from '@/models/ImageGeneration.ts';
import type { Store } from '@/models/store.ts';

/** What analytics promises, said as directly as possible: read everything, and label each generation with its local date. */

export async function everyGeneration(store: Store, userId?: Types.ObjectId): Promise<ImageGeneration[]> {
  return generationsOf(store)
    .find({ isDeleted: false, ...(userId && { userId }) })
    .toArray();
}

const formats = new Map<string, Intl.DateTimeFormat>();

export function localDate(at: Date, timeZone: string): string {
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' });
  formats.set(timeZone, format);
  return format.format(at);
}

export function localDates(count: number, timeZone: string, now: Date): string[] {
  const today = Date.parse(localDate(now, timeZone));
  return Array.from({ length: count }, (_, back) =>
    new Date(today - back * 86_400_000).toISOString().slice(0, 10),
  ).reverse();
}

/** The summary of these generations. */
export function naiveSummary(generations: readonly ImageGeneration[]) {
  const number = (kept: (generation: ImageGeneration) => boolean) => generations.filter(kept).length;
  const sum = (value: (generation: ImageGeneration) => number) => generations.reduce((all, one) => all + value(one), 0);
  const completed = number(({ status }) => status === 'completed');
  const failed = number(({ status }) => status === 'failed');
  const seconds = sum(({ status, processingTime = 0 }) => (status === 'completed' ? processingTime : 0));
  return {
    totalGenerations: generations.length,
    byStatus: Object.fromEntries(GENERATION_STATUSES.map((status) => [status, number((one) => one.status === status)])),
    byType: Object.fromEntries(IMAGE_GENERATION_TYPES.map((type) => [type, number((one) => one.type === type)])),
    creditsUsed: sum(({ status, credits }) => (status === 'failed' || status === 'cancelled' ? 0 : credits)),
    averageProcessingTime: completed === 0 ? 0 : seconds / completed,
    successRate: completed === 0 ? 0 : completed / (completed + failed),
  };
}

/** The same generations, within the last days of that zone, as a whole and day by day. */
export function naiveAnalytics(
  generations: readonly ImageGeneration[],
  { days, timezone }: { days: number; timezone: string },
  now: Date,
) {
  const dates = localDates(days, timezone, now);
  const byDate = Map.groupBy(generations, ({ createdAt }) => localDate(createdAt, timezone));
  const daily = dates.map((date) => {
    const { totalGenerations, byStatus, creditsUsed } = naiveSummary(byDate.get(date) ?? []);
    return {
      date,
      total: totalGenerations,
      completed: byStatus['completed'],
      failed: byStatus['failed'],
      credits: creditsUsed,
    };
  });
  return { summary: naiveSummary(dates.flatMap((date) => byDate.get(date) ?? [])), daily };
}
