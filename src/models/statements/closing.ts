import type { Types } from 'mongoose';
import { KEY_RETENTION_MS } from '../../domain/ledger.ts';
import type { OpenEntry } from '../User.ts';
import { ONCE_ONLY } from './posting/posting.ts';

/** Whether an entry is to be closed or forgotten now, so that an account without any is not written to. */
export function leavesAt({ settledAt }: OpenEntry, now: Date): boolean {
  return settledAt === undefined || settledAt <= forgottenBy(now);
}

/** What was settled by then is forgotten now. */
function forgottenBy(now: Date): Date {
  return new Date(now.getTime() - KEY_RETENTION_MS);
}

/**
 * Closes what has been settled of an account, and forgets what may be forgotten.
 *
 * @param openEntries the account's, as whoever settled them has read them
 */
export function closingStatement(openEntries: Record<string, OpenEntry>, now: Date) {
  const leaving = Object.entries(openEntries).filter(([, entry]) => leavesAt(entry, now));
  const isSimple = leaving.every(([slot, { settledAt }]) => settledAt === undefined && slot.startsWith(ONCE_ONLY));
  if (isSimple) return removalStatement(leaving.map(([slot]) => slot));
  const settled = leaving.filter(([, { settledAt }]) => settledAt === undefined);
  return generalStatement(
    settled.map(([, { id }]) => id),
    now,
  );
}

/** Removes entries that nobody can post again, so that nothing has to remember them. No other entry ever has their place. */
function removalStatement(slots: string[]) {
  return [{ $unset: slots.map((slot) => `openEntries.${slot}`) }, { $set: { sweepAt: nextSweep() } }];
}

/**
 * Closes the entries with these ids. One that anybody could post again leaves its key behind for {@link KEY_RETENTION_MS},
 * so that a request which looked the key up before it was settled still meets it here; what leaves later is
 * remembered by `forgottenThrough`, which moves with every forgetting.
 */
function generalStatement(settled: Types.ObjectId[], now: Date) {
  const kept = { $filter: { input: '$closing', as: 'slot', cond: { $not: [expired('$$slot.v', now)] } } };
  const forgotten = {
    $map: {
      input: { $filter: { input: '$closing', as: 'slot', cond: expired('$$slot.v', now) } },
      as: 'slot',
      in: '$$slot.v.settledAt',
    },
  };
  return [
    { $set: { closing: { $filter: { input: marked(settled, now), as: 'slot', cond: remembered('$$slot') } } } },
    {
      $set: {
        openEntries: { $arrayToObject: kept },
        forgottenThrough: {
          $cond: [
            { $eq: [{ $size: forgotten }, 0] },
            '$forgottenThrough',
            { $max: [{ $add: ['$forgottenThrough', 1] }, { $max: forgotten }] },
          ],
        },
      },
    },
    { $set: { sweepAt: nextSweep() } },
    { $unset: 'closing' },
  ];
}

/** All entries as `{k, v}` pairs; those that are settled carry the instant, and no longer the generation. */
function marked(settled: Types.ObjectId[], now: Date) {
  return {
    $map: {
      input: { $objectToArray: '$openEntries' },
      as: 'slot',
      in: {
        $cond: [
          { $and: [{ $in: ['$$slot.v.id', settled] }, isMissing('$$slot.v.settledAt')] },
          {
            k: '$$slot.k',
            v: { $mergeObjects: [{ $unsetField: { field: 'generation', input: '$$slot.v' } }, { settledAt: now }] },
          },
          '$$slot',
        ],
      },
    },
  };
}

const isMissing = (path: string) => ({ $eq: [{ $type: path }, 'missing'] });

/** What is not settled stays; what is settled stays as long as somebody could post it again. */
function remembered(slot: string) {
  return { $or: [isMissing(`${slot}.v.settledAt`), { $ne: [{ $substrBytes: [`${slot}.k`, 0, 1] }, ONCE_ONLY] }] };
}

function expired(entry: string, now: Date) {
  return { $and: [{ $not: [isMissing(`${entry}.settledAt`)] }, { $lte: [`${entry}.settledAt`, forgottenBy(now)] }] };
}

/** At once while an entry is open; else when the first key may be forgotten; else never. */
function nextSweep() {
  const due = {
    $map: {
      input: { $objectToArray: '$openEntries' },
      as: 'slot',
      in: {
        $cond: [isMissing('$$slot.v.settledAt'), '$$slot.v.at', { $add: ['$$slot.v.settledAt', KEY_RETENTION_MS] }],
      },
    },
  };
  return { $cond: [{ $eq: ['$openEntries', {}] }, '$$REMOVE', { $min: due }] };
}
