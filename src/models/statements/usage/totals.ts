import { Types } from 'mongoose';
import { nextUtcMonth, utcMonth } from '../../../domain/calendar.ts';
import { usageDaysOf, usageTotalsOf } from '../../collections.ts';
import type { Store } from '../../store.ts';
import type { MonthUsage, UsageTotal } from '../../UsageTotal.ts';
import { isStill, replaceAll } from './guarded.ts';
import { newest, type Sums, sumsOf, usageFrom } from './sums.ts';
import { groupBy } from './userDay.ts';

/** Whose: a user's, or null for the whole system's. */
type Owner = Types.ObjectId | null;

const textOf = (owner: Owner): string => String(owner);
const nameOf = (month: Date): string => month.toISOString().slice(0, 7);

/** Computes the months around these days from their days, and replaces them in the totals. */
export async function replaceMonths(store: Store, days: readonly { userId: Owner; day: Date }[]): Promise<void> {
  const owners = [...groupBy(days, ({ userId }) => textOf(userId)).values()].flatMap(
    (same) => same[0]?.userId ?? [null],
  );
  for (;;) {
    // Every attempt writes its own, so that none passes for another.
    const revision = new Types.ObjectId();
    const held = await usageTotalsOf(store)
      .find({ userId: { $in: owners } })
      .toArray();
    const heldBy = new Map(held.map((total) => [textOf(total.userId), total]));
    const monthsBy = await sumMonths(store, days);
    const replacements = owners.map((userId) => {
      const total = heldBy.get(textOf(userId));
      const months = { ...total?.months, ...monthsBy.get(textOf(userId)) };
      const lastAt = newest(Object.values(months).map((month) => month.lastAt));
      return {
        updateOne: {
          filter: { userId, revision: isStill(total?.revision ?? null) },
          update: { $set: { months, lastAt, revision } },
          upsert: total === undefined,
        },
      };
    });
    if (await replaceAll(usageTotalsOf(store), replacements)) return;
  }
}

/** By owner, then by month. Months that several owners need are read together: usually it is the present one alone. */
async function sumMonths(store: Store, days: readonly { userId: Owner; day: Date }[]) {
  const sums = new Map<string, UsageTotal['months']>();
  for (const same of groupBy(days, ({ day }) => nameOf(day)).values()) {
    const [first] = same;
    if (!first) continue;
    const from = utcMonth(first.day);
    const owners = [...groupBy(same, ({ userId }) => textOf(userId)).values()].flatMap(
      (own) => own[0]?.userId ?? [null],
    );
    const found = new Map((await sumMonth(store, owners, from)).map((row) => [textOf(row._id), monthFrom(row)]));
    for (const owner of owners) {
      const month = found.get(textOf(owner)) ?? { ...usageFrom({}), lastAt: null };
      sums.set(textOf(owner), { ...sums.get(textOf(owner)), [nameOf(from)]: month });
    }
  }
  return sums;
}

type MonthRow = Sums & { _id: Owner; lastAt: Date | null };

function sumMonth(store: Store, owners: Owner[], from: Date): Promise<MonthRow[]> {
  return usageDaysOf(store)
    .aggregate<MonthRow>([
      { $match: { userId: { $in: owners }, day: { $gte: from, $lt: nextUtcMonth(from) } } },
      { $group: { _id: '$userId', lastAt: { $max: '$lastAt' }, ...sumsOf('usage') } },
    ])
    .toArray();
}

function monthFrom(row: MonthRow): MonthUsage {
  return { ...usageFrom(row), lastAt: row.lastAt };
}
