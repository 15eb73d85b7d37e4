import type { Types } from 'mongoose';
import { FINAL_STATUSES } from '../domain/lifecycle.ts';
import { CONCURRENT_GENERATIONS } from '../domain/tiers.ts';
import { generationsOf, usersOf } from '../models/collections.ts';
import { writeUntaken } from '../models/duplicateKey.ts';
import type { ImageGeneration } from '../models/ImageGeneration.ts';
import type { Store } from '../models/store.ts';
import type { User } from '../models/User.ts';

/**
 * How many generations of one user may be in the queue and under way together: as many as the tier has slots. A generation enters
 * the queue with one of them and holds it to its end; a unique index gives no slot twice. The others of the user wait outside, so a
 * claim finds nothing that it would have to pass over, and users take turns: who has many waiting has no more in the queue than
 * who has few.
 */

type Held = Pick<ImageGeneration, '_id' | 'slot' | 'status'>;
type Waiting = Pick<ImageGeneration, '_id'>;
interface Places extends Pick<User, '_id' | 'subscriptionTier'> {
  held: Held[];
  /** The longest-waiting ones; no more than could enter. */
  waiting: Waiting[];
}

/** Slots that any tier has at most, and so the most of a user's generations that an admission looks at. */
const MOST_SLOTS = Math.max(...Object.values(CONCURRENT_GENERATIONS));

/** Looks that one admission takes; more would mean that somebody writes what this never sees. */
const MOST_LOOKS = 20;

/**
 * Lets the longest-waiting generations of these users into the queue, as far as their tiers have slots. Whoever ends a generation,
 * pays for one or raises a tier has this done, now or by the settlement; it may be repeated, run by many at once, and be cut
 * off anywhere. It looks again wherever another one was faster, and so leaves nobody waiting beside a free slot.
 *
 * A lower tier takes back what has more than its slots and is not under way; what is goes on.
 *
 * @returns how many generations have entered
 */
export async function admitWaiting(store: Store, userIds: readonly Types.ObjectId[]): Promise<number> {
  let admitted = 0;
  let left = [...userIds];
  for (let looks = 1; left.length > 0; looks += 1) {
    if (looks > MOST_LOOKS) throw new Error('Generations that wait could not be let into the queue');
    const changes = (await placesOf(store, left)).flatMap((places) => changesTo(places, store.clock.now()));
    if (changes.length === 0) break;
    const entries = changes.filter(({ enters }) => enters);
    const others = changes.filter(({ enters }) => !enters);
    await write(store, others);
    const entered = await write(store, entries);
    admitted += entered;
    // A slot that was given back only now may serve the next one, and one that was taken meanwhile leaves its own looking again.
    const isDone = others.length === 0 && entered === entries.length;
    left = isDone ? [] : distinct(changes.map(({ userId }) => userId));
  }
  return admitted;
}

function distinct(ids: readonly Types.ObjectId[]): Types.ObjectId[] {
  return [...new Map(ids.map((id) => [id.toHexString(), id])).values()];
}

/** What each of them has in the queue and under way, and the first that wait: their number does not follow how many wait. */
function placesOf(store: Store, userIds: Types.ObjectId[]): Promise<Places[]> {
  const own = { from: generationsOf(store).collectionName, localField: '_id', foreignField: 'userId' } as const;
  const held = [{ $match: { slot: { $exists: true } } }, { $project: { slot: 1, status: 1 } }];
  const waiting = [
    { $match: { waitingSince: { $exists: true }, status: 'pending' } },
    { $sort: { waitingSince: 1, _id: 1 } },
    { $limit: MOST_SLOTS },
    { $project: { _id: 1 } },
  ];
  return usersOf(store)
    .aggregate<Places>([
      { $match: { _id: { $in: userIds } } },
      { $project: { subscriptionTier: 1 } },
      { $lookup: { ...own, pipeline: held, as: 'held' } },
      { $lookup: { ...own, pipeline: waiting, as: 'waiting' } },
    ])
    .toArray();
}

type Change = ReturnType<typeof entry> | ReturnType<typeof withdrawal> | ReturnType<typeof abandonment>;

function changesTo({ _id: userId, subscriptionTier, held, waiting }: Places, now: Date): Change[] {
  const slots = CONCURRENT_GENERATIONS[subscriptionTier];
  const over = held.filter(({ status }) => FINAL_STATUSES.includes(status));
  if (over.length > 0) return over.map(({ _id }) => abandonment(userId, _id));
  const surplus = held.length - slots;
  if (surplus > 0) {
    const idle = held.filter(({ status }) => status === 'pending').sort((a, b) => (b.slot ?? 0) - (a.slot ?? 0));
    return idle.slice(0, surplus).map(({ _id }) => withdrawal(userId, _id));
  }
  const taken = new Set(held.map(({ slot }) => slot));
  const free = Array.from({ length: slots }, (_, slot) => slot).filter((slot) => !taken.has(slot));
  return waiting
    .slice(0, slots - held.length)
    .flatMap(({ _id }, index) => (free[index] === undefined ? [] : [entry(userId, _id, free[index], now)]));
}

/** Into the queue. */
function entry(userId: Types.ObjectId, _id: Types.ObjectId, slot: number, now: Date) {
  const filter = { _id, waitingSince: { $exists: true }, status: 'pending' as const };
  const update = { $set: { slot, availableAt: now }, $unset: { waitingSince: 1 as const } };
  return { userId, enters: true, filter, update };
}

/** Back among those that wait, before all that were asked for later. */
function withdrawal(userId: Types.ObjectId, _id: Types.ObjectId) {
  const filter = { _id, slot: { $exists: true }, status: 'pending' as const };
  const update = [{ $set: { waitingSince: '$createdAt' } }, { $unset: ['slot', 'availableAt'] }];
  return { userId, enters: false, filter, update };
}

/** What was ended by another way than the lifecycle's own moves gives its slot back here. */
function abandonment(userId: Types.ObjectId, _id: Types.ObjectId) {
  const filter = { _id, status: { $in: [...FINAL_STATUSES] } };
  return { userId, enters: false, filter, update: { $unset: { slot: 1 as const, availableAt: 1 as const } } };
}

async function write(store: Store, changes: readonly Change[]): Promise<number> {
  if (changes.length === 0) return 0;
  const writes = changes.map(({ filter, update }) => ({ updateOne: { filter, update } }));
  return writeUntaken(() => generationsOf(store).bulkWrite(writes, { ordered: false }));
}
