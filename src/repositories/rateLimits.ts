import type { RateLimit } from '../domain/rateLimit.ts';
import { rateLimitsOf } from '../models/collections.ts';
import { isDuplicateKey } from '../models/duplicateKey.ts';
import type { RateLimit as Counter } from '../models/RateLimit.ts';
import type { Store } from '../models/store.ts';

/** What a process asks of the shared count. */
export interface Taking {
  /** Requests that wait. */
  needed: number;
  /** What it would like to have beforehand. */
  spare: number;
  /** What it was lent before in this window, and has used. */
  repaid: number;
}

/** Of what is left, a process gets no more than this part beforehand; so nothing is lent of the last few. */
const PART_LENT = 4;

const UPSERT = {
  upsert: true,
  returnDocument: 'after',
  projection: { _id: 0 },
  // A count that is lost with a primary lets a few requests more through for a minute; nobody waits for the other members.
  writeConcern: { w: 1 },
} as const;

/**
 * Takes of a limit that all processes share as much as is left, and begins the next window in the place of one that has ended, by one
 * statement. Windows follow the machine's clock, as the database's removal of old ones does, and not the clock of quota, which may be
 * moved.
 */
export async function takePoints(
  store: Store,
  key: string,
  { limit, windowSeconds }: RateLimit,
  { needed, spare, repaid }: Taking,
): Promise<Counter> {
  const now = Date.now();
  const runs = { $gt: ['$expire', new Date(now)] };
  const room = { $subtract: [limit, '$points'] };
  const part = { $floor: { $divide: [{ $subtract: [room, needed] }, PART_LENT] } };
  const statement = [
    {
      $set: {
        points: { $cond: [runs, '$points', 0] },
        lent: { $cond: [runs, atLeastNothing({ $subtract: ['$lent', repaid] }), 0] },
        expire: { $cond: [runs, '$expire', new Date(now + windowSeconds * 1000)] },
      },
    },
    {
      $set: {
        taken: atLeastNothing({ $min: [needed, room] }),
        spare: spare === 0 ? 0 : atLeastNothing({ $min: [spare, part] }),
      },
    },
    { $set: { points: { $add: ['$points', '$taken', '$spare'] }, lent: { $add: ['$lent', '$spare'] } } },
  ];
  const upsert = () => rateLimitsOf(store).findOneAndUpdate({ key }, statement, UPSERT);
  // Two first requests at once may both insert; the server repeats the second in most cases, and we in all.
  const counter = await upsert().catch((error: unknown) => {
    if (isDuplicateKey(error)) return upsert();
    throw error;
  });
  if (!counter) throw new Error('An upsert answers with its document');
  return counter;
}

/**
 * Puts back what was lent and not used, unless its window has ended.
 *
 * @param spare what was lent, of which `left` was not used
 */
export async function giveBack(
  store: Store,
  { key, expire, spare }: Pick<Counter, 'key' | 'expire' | 'spare'>,
  left: number,
): Promise<void> {
  await rateLimitsOf(store).updateOne(
    { key, expire },
    { $inc: { points: -left, lent: -spare } },
    { writeConcern: UPSERT.writeConcern },
  );
}

const atLeastNothing = (value: object) => ({ $max: [0, value] });
