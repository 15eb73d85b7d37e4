import { Types } from 'mongoose';
import { DAY_MS } from '../../src/domain/calendar.ts';
import { CONCURRENT_GENERATIONS } from '../../src/domain/tiers.ts';
import type { ImageGeneration } from '../../src/models/ImageGeneration.ts';
import type { LedgerEntry } from '../../src/models/LedgerEntry.ts';
import type { User } from '../../src/models/User.ts';
import { idOf, type SeedHistory } from '../history.ts';
import { BulkAccount } from './account.ts';
import { fateOf, generationOf, requestOf } from './generation.ts';
import type { BulkPerson } from './person.ts';
import { requestTimes } from './rhythm.ts';

/** Everything that is stored of one of them. */
export interface BulkHistory {
  user: SeedHistory['user'] & Pick<User, 'periodNumber' | 'quotaAlert' | 'paidAnchor'>;
  subscription: SeedHistory['subscription'];
  generations: ImageGeneration[];
  ledger: LedgerEntry[];
}

/** Milliseconds before now at which somebody asks whose request is still under way: longer than a worker takes to begin. */
const UNDER_WAY_MS = 40_000;

export function bulkUserId(clerkUserId: string): Types.ObjectId {
  return idOf('user', clerkUserId);
}

/**
 * The life of one person up to `now`: what they asked for, as far as their tier allowed it, what became of it, and the ledger of it.
 *
 * @param limit generations after which they stop asking
 */
export function bulkHistory(person: BulkPerson, now: Date, limit: number): BulkHistory {
  const { clerkUserId, email, name, subscriptionTier, random, number } = person;
  const _id = bulkUserId(clerkUserId);
  const signedUpAt = new Date(Math.floor(now.getTime() - person.age * DAY_MS));
  const account = new BulkAccount(_id, subscriptionTier, signedUpAt, (sequence, at) => idAt(at, number, sequence));
  const generations: ImageGeneration[] = [];
  for (const { time, underWay } of requestsOf(person, signedUpAt, now)) {
    if (generations.length >= limit) break;
    const createdAt = new Date(time);
    const request = requestOf(random);
    const fate = { ...fateOf(request, createdAt, now, random), ...(underWay && { status: underWay }) };
    const id = idAt(createdAt, number, generations.length);
    const charge = account.charge(createdAt, request.credits, id);
    // Whoever has used the period up is refused, and leaves no trace.
    if (!charge) continue;
    if (fate.status === 'failed' || fate.status === 'cancelled') account.refundAt(fate.endedAt, charge);
    generations.push(generationOf(id, request, createdAt, charge, fate, now, random));
  }
  account.advance(now);
  return {
    user: {
      _id,
      clerkUserId,
      email,
      name,
      subscriptionTier,
      monthlyUsage: account.used,
      totalImagesGenerated: generations.reduce((sum, { outputImages }) => sum + outputImages.length, 0),
      quotaAnchor: signedUpAt,
      periodStart: account.periodStart,
      periodNumber: account.periodNumber,
      quotaAlert: account.alert(),
      quotaResetDate: account.periodEnd,
      entrySequence: account.ledger.length,
      createdAt: signedUpAt,
      ...(subscriptionTier !== 'free' && { paidAnchor: account.periodEnd }),
    },
    subscription: subscriptionOf(person, _id, account),
    generations: inTheirPlaces(generations, CONCURRENT_GENERATIONS[subscriptionTier]),
    ledger: account.ledger,
  };
}

/** What is under way holds a slot, and what waits enters the queue as far as there are slots. */
function inTheirPlaces(generations: ImageGeneration[], slots: number): ImageGeneration[] {
  let taken = 0;
  return generations.map((generation) => {
    const { waitingSince, ...rest } = generation;
    if (!waitingSince && generation.status !== 'processing') return generation;
    if (taken === slots) return generation;
    const slot = taken++;
    return waitingSince ? { ...rest, slot, availableAt: waitingSince } : { ...rest, slot };
  });
}

/** What the person asks for, and what of it has not ended whatever time it takes. */
function requestsOf(person: BulkPerson, signedUpAt: Date, now: Date) {
  const requests = requestTimes(person, signedUpAt, now).map((time) => ({ time, underWay: null }));
  if (person.ending === null) return requests;
  const time = now.getTime() - UNDER_WAY_MS;
  return [...requests.filter((earlier) => earlier.time < time), { time, underWay: person.ending }];
}

function subscriptionOf(person: BulkPerson, userId: Types.ObjectId, account: BulkAccount): BulkHistory['subscription'] {
  const { subscriptionTier: tier, clerkUserId } = person;
  if (tier === 'free') return null;
  return {
    _id: idOf('subscription', clerkUserId),
    userId,
    tier,
    status: 'active',
    stripeCustomerId: `cus_seed_${clerkUserId}`,
    stripeSubscriptionId: `sub_seed_${clerkUserId}`,
    currentPeriodStart: account.periodStart,
    currentPeriodEnd: account.periodEnd,
    cancelAtPeriodEnd: person.random.chance(0.06),
    metadata: { seeded: true },
  };
}

/** An id like those that drivers make: the second, the maker, a counter (https://www.mongodb.com/docs/manual/reference/method/ObjectId/). */
function idAt(at: Date, maker: number, counter: number): Types.ObjectId {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(at.getTime() / 1000));
  view.setUint8(4, MAKER_MARK);
  view.setUint32(5, maker);
  view.setUint8(9, (counter >> 16) & 0xff);
  view.setUint16(10, counter & 0xffff);
  return new Types.ObjectId(bytes);
}

const MAKER_MARK = 0x5e;
