import { createHash } from 'node:crypto';
import { Types } from 'mongoose';
import { creditsFor, GENERATION_DEFAULTS, needsSourceImage } from '../src/domain/generation.ts';
import type { LedgerKind } from '../src/domain/ledger.ts';
import { addMonths } from '../src/domain/periods.ts';
import { SUBSCRIPTION_QUOTAS } from '../src/domain/tiers.ts';
import type { ImageGeneration } from '../src/models/ImageGeneration.ts';
import type { LedgerEntry } from '../src/models/LedgerEntry.ts';
import type { Subscription } from '../src/models/Subscription.ts';
import type { User } from '../src/models/User.ts';
import type { SeedGeneration, SeedPerson } from './people.ts';

/** Everything that is stored of one person. */
export interface SeedHistory {
  user: Pick<
    User,
    | '_id'
    | 'clerkUserId'
    | 'email'
    | 'name'
    | 'subscriptionTier'
    | 'monthlyUsage'
    | 'totalImagesGenerated'
    | 'quotaAnchor'
    | 'periodStart'
    | 'quotaResetDate'
    | 'entrySequence'
    | 'createdAt'
  >;
  subscription: Omit<Subscription, 'createdAt' | 'updatedAt' | 'isDeleted' | 'revision'> | null;
  generations: Omit<ImageGeneration, 'isDeleted'>[];
  ledger: LedgerEntry[];
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** Seconds that a picture took. */
const PROCESSING_TIME = 8;

/** Ids follow from names, so that a second run finds what the first has stored. */
export function idOf(...name: (string | number)[]): Types.ObjectId {
  return new Types.ObjectId(createHash('sha256').update(name.join('/')).digest('hex').slice(0, 24));
}

/** A month of a person's life, spread evenly over the days since the period began. */
export function historyOf(person: SeedPerson, now: Date): SeedHistory {
  const userId = idOf('user', person.clerkUserId);
  const periodStart = new Date(now.getTime() - person.periodAge * DAY);
  const ledger = ledgerWriter(person, userId);
  const step = (person.periodAge * DAY) / (person.generations.length + 1);
  const generations = person.generations.map((seed, index) => {
    const createdAt = new Date(periodStart.getTime() + step * (index + 1));
    return generationOf(person, seed, index, userId, createdAt, ledger);
  });
  const delivered = generations.reduce((sum, { outputImages }) => sum + outputImages.length, 0);
  const subscription = subscriptionOf(person, userId, periodStart);
  return {
    user: {
      _id: userId,
      clerkUserId: person.clerkUserId,
      email: person.email,
      name: person.name,
      subscriptionTier: person.subscriptionTier,
      monthlyUsage: ledger.used(),
      totalImagesGenerated: delivered,
      quotaAnchor: periodStart,
      periodStart,
      quotaResetDate: subscription?.currentPeriodEnd ?? addMonths(periodStart, 1),
      entrySequence: ledger.entries.length,
      createdAt: periodStart,
    },
    subscription,
    generations,
    ledger: ledger.entries,
  };
}

/** Writes a ledger as the account itself would have: sequence without gaps, balance after every entry. */
function ledgerWriter(person: SeedPerson, userId: Types.ObjectId) {
  const entries: LedgerEntry[] = [];
  let used = 0;
  function write(kind: LedgerKind, credits: number, at: Date, links: Partial<LedgerEntry>): LedgerEntry {
    used += kind === 'charge' ? credits : -credits;
    const sequence = entries.length + 1;
    const entry = {
      _id: idOf('ledger', person.clerkUserId, sequence),
      userId,
      sequence,
      kind,
      credits,
      balance: SUBSCRIPTION_QUOTAS[person.subscriptionTier] - used,
      period: 1,
      at,
      ...links,
    };
    entries.push(entry);
    return entry;
  }
  return { entries, write, used: () => used };
}

function generationOf(
  person: SeedPerson,
  seed: SeedGeneration,
  index: number,
  userId: Types.ObjectId,
  createdAt: Date,
  ledger: ReturnType<typeof ledgerWriter>,
): Omit<ImageGeneration, 'isDeleted'> {
  const _id = idOf('generation', person.clerkUserId, index);
  const credits = creditsFor(seed);
  const charge = ledger.write('charge', credits, createdAt, { generationId: _id });
  const startedAt = new Date(createdAt.getTime() + MINUTE);
  const endedAt = new Date(startedAt.getTime() + PROCESSING_TIME * 1000);
  const base = {
    _id,
    userId,
    ...GENERATION_DEFAULTS,
    ...seed,
    ...(needsSourceImage(seed.type) && { sourceImageUrl: 'https://example.com/source.png' }),
    credits,
    outputImages: [],
    metadata: { seeded: true },
    charge: { id: charge._id, credits, period: 1 },
    attempts: 1,
    createdAt,
    updatedAt: endedAt,
  };
  switch (seed.status) {
    case 'pending':
      return { ...base, attempts: 0, updatedAt: createdAt, slot: 0, availableAt: createdAt };
    case 'processing':
      // Its worker is gone: the sweeper will find that out, as it would after a crash.
      return { ...base, updatedAt: startedAt, slot: 0, startedAt, lease: lostLease(startedAt) };
    case 'completed':
      return {
        ...base,
        startedAt,
        completedAt: endedAt,
        processingTime: PROCESSING_TIME,
        outputImages: picturesOf(base),
      };
    case 'failed':
    case 'cancelled': {
      ledger.write('refund', credits, endedAt, { generationId: _id, chargeId: charge._id });
      if (seed.status === 'cancelled') return { ...base, attempts: 0 };
      return { ...base, startedAt, failedAt: endedAt };
    }
  }
}

export function lostLease(startedAt: Date) {
  const expiresAt = new Date(startedAt.getTime() + MINUTE);
  return { token: 'lost', workerId: 'seeds', attemptStartedAt: startedAt, expiresAt };
}

export function picturesOf({ _id, count }: { _id: Types.ObjectId; count: number }) {
  return Array.from({ length: count }, (_, index) => {
    const filename = `${_id.toHexString()}-${index + 1}.png`;
    return {
      url: `https://example.com/images/${filename}`,
      filename,
      size: 1_024_000,
      width: 512,
      height: 512,
      contentType: 'image/png',
    };
  });
}

function subscriptionOf(person: SeedPerson, userId: Types.ObjectId, periodStart: Date): SeedHistory['subscription'] {
  if (!person.subscription) return null;
  const { status, trialDays } = person.subscription;
  const trial =
    trialDays === undefined
      ? {}
      : { trialStart: periodStart, trialEnd: new Date(periodStart.getTime() + trialDays * DAY) };
  return {
    _id: idOf('subscription', person.clerkUserId),
    userId,
    tier: person.subscriptionTier,
    status,
    stripeCustomerId: `cus_seed_${person.clerkUserId}`,
    stripeSubscriptionId: `sub_seed_${person.clerkUserId}`,
    currentPeriodStart: periodStart,
    currentPeriodEnd: trial.trialEnd ?? addMonths(periodStart, 1),
    ...trial,
    cancelAtPeriodEnd: false,
    metadata: { seeded: true },
  };
}
