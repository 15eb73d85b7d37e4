import type { Types } from 'mongoose';
import { add, emptyUsage, summaryOf, type UsageSummary } from '../../../domain/usage.ts';
import { usageTotalsOf } from '../../collections.ts';
import type { Store } from '../../store.ts';
import { rollUp } from './rollUp.ts';

/** Everything that the user ever asked for. It takes up what changed since the last rollup, and then reads one document. */
export async function userStats(store: Store, userId: Types.ObjectId): Promise<UsageSummary> {
  await rollUp(store, { userId });
  return totalOf(store, userId);
}

/** Everything that was ever asked for. It takes up what changed since the last rollup, and then reads one document. */
export async function systemStats(store: Store): Promise<UsageSummary> {
  await rollUp(store);
  return totalOf(store, null);
}

async function totalOf(store: Store, userId: Types.ObjectId | null): Promise<UsageSummary> {
  const total = await usageTotalsOf(store).findOne({ userId });
  const usage = emptyUsage();
  for (const month of Object.values(total?.months ?? {})) add(usage, month);
  return summaryOf(usage);
}
