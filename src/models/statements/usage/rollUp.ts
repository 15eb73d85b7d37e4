import { Types } from 'mongoose';
import { utcDay } from '../../../domain/calendar.ts';
import type { Store } from '../../store.ts';
import { daysDueToSystem, daysDueToTotal, markTakenUp, replaceSystemDays, replaceUserDays } from './days.ts';
import { findUncounted, markCounted, takeUp, type Uncounted } from './source.ts';
import { replaceMonths } from './totals.ts';
import { distinct, type UserDay } from './userDay.ts';

/** What one run took up. */
export interface RolledUp {
  generations: number;
  userDays: number;
}

export interface RollUpOptions {
  /** Only this user's days and totals. */
  userId?: Types.ObjectId;
  /** Told after each batch how many generations have been taken up. */
  onProgress?: (generations: number) => void;
}

/** Documents that one round of commands takes up: what a run holds in memory. */
const BATCH = 2_000;

/**
 * Brings the rollups up to date with every change that was made before. What changed is carried upwards level by level, from
 * generations to the days of users, to the days of the system, to the totals, and each level in the same order: take up what is
 * marked, compute what stands above it from all that it consists of, replace that unless somebody was faster (then compute again),
 * and only then take away the marks of what has not changed meanwhile. So a run may be cut off anywhere and the next one
 * goes on; any number may run at once; and running twice changes nothing.
 */
export async function rollUp(store: Store, { userId, onProgress }: RollUpOptions = {}): Promise<RolledUp> {
  let generations = 0;
  await inBatches(async () => {
    const taken = await countSome(store, userId);
    generations += taken;
    if (taken > 0) onProgress?.(generations);
    return taken;
  });
  const userDays = userId ? 0 : await inBatches(() => sumSystemDays(store));
  await inBatches(() => sumTotals(store, userId));
  return { generations, userDays };
}

/** @returns how much was done */
async function inBatches(batch: () => Promise<number>): Promise<number> {
  let done = 0;
  for (;;) {
    const taken = await batch();
    done += taken;
    if (taken < BATCH) return done;
  }
}

async function countSome(store: Store, userId: Types.ObjectId | undefined): Promise<number> {
  const uncounted = await findUncounted(store, BATCH, userId);
  if (uncounted.length === 0) return 0;
  const taken = await takeUp(store, uncounted, new Types.ObjectId());
  await replaceUserDays(store, distinct(taken.flatMap(placeOf)));
  await markCounted(store, taken);
  return taken.length;
}

/** A document that was stored past the schema may lack what every generation has; it is in no day. */
function placeOf({ userId, createdAt }: Uncounted): UserDay[] {
  return userId instanceof Types.ObjectId && createdAt instanceof Date ? [{ userId, day: utcDay(createdAt) }] : [];
}

async function sumSystemDays(store: Store): Promise<number> {
  const due = await daysDueToSystem(store, BATCH);
  if (due.length === 0) return 0;
  const days = distinct(due.map(({ day }) => ({ userId: null, day }))).map(({ day }) => day);
  await replaceSystemDays(store, days);
  await markTakenUp(store, due, 'system');
  return due.length;
}

async function sumTotals(store: Store, userId: Types.ObjectId | undefined): Promise<number> {
  const due = await daysDueToTotal(store, BATCH, userId);
  if (due.length === 0) return 0;
  await replaceMonths(store, due);
  await markTakenUp(store, due, 'total');
  return due.length;
}
