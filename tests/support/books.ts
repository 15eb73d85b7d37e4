import type { Types } from 'mongoose';
import { isActive, LIVE_STATUSES } from '@/domain/subscription.ts';
import { CONCURRENT_GENERATIONS, SUBSCRIPTION_QUOTAS } from '@/domain/tiers.ts';
import type { AuditEntry } from '@/models/AuditEntry.ts';
import { auditOf, generationsOf, ledgerOf, subscriptionsOf, usersOf } from '@/models/collections.ts';
import type { ImageGeneration } from '@/models/ImageGeneration.ts';
import type { LedgerEntry } from '@/models/LedgerEntry.ts';
import type { Subscription } from '@/models/Subscription.ts';
import type { Store } from '@/models/store.ts';
import type { User } from '@/models/User.ts';

/** All that a database holds about one user. */
export interface Books {
  user: User;
  /** In their order. */
  ledger: LedgerEntry[];
  generations: ImageGeneration[];
  subscriptions: Subscription[];
  audit: AuditEntry[];
}

/** The books of every user of the database. */
export async function readBooks(store: Store): Promise<Books[]> {
  const [users, ledger, generations, subscriptions, audit] = await Promise.all([
    usersOf(store).find({}).sort({ _id: 1 }).toArray(),
    ledgerOf(store).find({}).sort({ userId: 1, sequence: 1 }).toArray(),
    generationsOf(store).find({}).toArray(),
    subscriptionsOf(store).find({}).toArray(),
    auditOf(store).find({}).toArray(),
  ]);
  return users.map((user) => {
    const isTheirs = ({ userId }: { userId: Types.ObjectId }) => userId.equals(user._id);
    const theirs = generations.filter(isTheirs);
    const subjects = new Set([user, ...theirs, ...subscriptions.filter(isTheirs)].map(({ _id }) => _id.toHexString()));
    return {
      user,
      ledger: ledger.filter(isTheirs),
      generations: theirs,
      subscriptions: subscriptions.filter(isTheirs),
      audit: audit.filter(({ subject }) => subject !== undefined && subjects.has(subject.id.toHexString())),
    };
  });
}

/** Removes everything, so that the next case begins with nothing. */
export async function clearBooks(store: Store): Promise<void> {
  const collections = [usersOf(store), ledgerOf(store), generationsOf(store), subscriptionsOf(store), auditOf(store)];
  await Promise.all(collections.map((collection) => collection.deleteMany({})));
}

/**
 * Every way in which the books of a user at rest are wrong, told by adding the ledger up from its first line: nothing that the account
 * says of itself is believed.
 */
export function faultsIn(books: Books, now: Date): string[] {
  return [
    ...faultsInLedger(books),
    ...faultsInGenerations(books),
    ...faultsInQueue(books),
    ...faultsInSubscriptions(books, now),
  ];
}

/** At rest nothing is under way: who holds a slot is in the queue, and nobody waits beside a free one. */
function faultsInQueue({ user, generations }: Books): string[] {
  const faults: string[] = [];
  const demand = (holds: boolean, words: string) => holds || faults.push(words);
  const isSet = (value: unknown) => value !== undefined;
  for (const { _id, status, charge, isDeleted, slot, availableAt, waitingSince } of generations) {
    const isPaid = charge !== undefined && status === 'pending' && !isDeleted;
    const places = [availableAt, waitingSince].filter(isSet).length;
    demand(places === (isPaid ? 1 : 0), `generation ${_id} is ${status} and has ${places} places to wait at`);
    demand(isSet(slot) === isSet(availableAt), `generation ${_id} has the slot ${slot}, available ${availableAt}`);
  }
  const slots = CONCURRENT_GENERATIONS[user.subscriptionTier];
  const held = generations.flatMap(({ slot }) => (slot === undefined ? [] : [slot]));
  demand(held.length <= slots, `${held.length} of ${slots} slots are held`);
  demand(new Set(held).size === held.length, `the slots ${held} are held`);
  const waits = generations.some(({ waitingSince }) => isSet(waitingSince));
  demand(!waits || held.length === slots, `something waits beside ${slots - held.length} free slots`);
  return faults;
}

function faultsInLedger({ user, ledger }: Books): string[] {
  const faults: string[] = [];
  const demand = (holds: boolean, words: string) => holds || faults.push(words);
  const charges = new Map<string, LedgerEntry>();
  const refunded = new Set<string>();
  let [usage, granted, period] = [0, 0, 1];
  ledger.forEach((line, index) => {
    const told = `line ${index + 1}, a ${line.kind} of ${line.credits}`;
    demand(line.sequence === index + 1, `${told}, has the number ${line.sequence}`);
    const fitsTier = () => {
      const quota = usage + line.balance - granted;
      return Object.values(SUBSCRIPTION_QUOTAS).some((allowed) => allowed === quota);
    };
    switch (line.kind) {
      case 'charge':
        usage += line.credits;
        charges.set(line._id.toHexString(), line);
        demand(line.period === period, `${told}, is of period ${line.period} instead of ${period}`);
        demand(fitsTier(), `${told}, leaves ${line.balance} although ${usage} are used: no tier allows that`);
        break;
      case 'refund': {
        const id = line.chargeId?.toHexString() ?? '';
        const charge = charges.get(id);
        demand(charge?.credits === line.credits && charge.period === line.period, `${told}, gives back no such charge`);
        demand(!refunded.has(id), `${told}, gives a charge back again`);
        refunded.add(id);
        if (line.period === period) usage -= line.credits;
        demand(line.balance === 0 || fitsTier(), `${told}, leaves ${line.balance} although ${usage} are used`);
        break;
      }
      case 'grant':
        granted += line.credits;
        demand(line.period === period, `${told}, is of period ${line.period} instead of ${period}`);
        break;
      case 'reset':
        [usage, granted, period] = [0, 0, period + 1];
        demand(line.period === period, `${told}, begins period ${line.period} instead of ${period}`);
        demand(fitsTier(), `${told}, leaves ${line.balance}: no tier has that`);
    }
  });
  const keys = ledger.flatMap(({ key }) => (key === undefined ? [] : [key]));
  demand(new Set(keys).size === keys.length, 'a key was charged twice');
  demand(user.monthlyUsage === usage, `the account used ${user.monthlyUsage}, its ledger ${usage}`);
  demand(user.grantedCredits === granted, `the account was granted ${user.grantedCredits}, its ledger ${granted}`);
  demand(user.periodNumber === period, `the account is in period ${user.periodNumber}, its ledger in ${period}`);
  demand(
    user.entrySequence === ledger.length,
    `the account has counted ${user.entrySequence} of ${ledger.length} lines`,
  );
  const open = Object.values(user.openEntries).filter(({ settledAt }) => settledAt === undefined);
  demand(open.length === 0, `${open.map(({ kind }) => kind).join(', ')} still open`);
  return faults;
}

function faultsInGenerations({ user, ledger, generations }: Books): string[] {
  const faults: string[] = [];
  const demand = (holds: boolean, words: string) => holds || faults.push(words);
  const byId = new Map(generations.map((generation) => [generation._id.toHexString(), generation]));
  const refundsOf = (charge: LedgerEntry) => ledger.filter(({ chargeId }) => chargeId?.equals(charge._id)).length;
  const charges = ledger.filter(({ kind }) => kind === 'charge');
  let counted = 0;
  for (const charge of charges) {
    const generation = charge.generationId && byId.get(charge.generationId.toHexString());
    if (!charge.generationId) counted += charge.credits;
    else if (!generation) {
      // What is old and settled may have been removed.
      const isOver = refundsOf(charge) === 1 || charge.period < user.periodNumber;
      demand(isOver, `generation ${charge.generationId} was charged and does not exist`);
      if (refundsOf(charge) === 0) counted += charge.credits;
    } else {
      demand(
        generation.charge?.id.equals(charge._id) === true,
        `generation ${generation._id} does not know its charge`,
      );
      const isOwed = generation.status === 'failed' || generation.status === 'cancelled';
      demand(refundsOf(charge) === (isOwed ? 1 : 0), `${generation.status}, and refunded ${refundsOf(charge)} times`);
    }
  }
  for (const { _id, status, charge, owes, lease, openActs, outputImages } of generations) {
    if (status === 'completed') counted += outputImages.length;
    const isPaid = charge !== undefined && charges.some((line) => line._id.equals(charge.id));
    demand(charge === undefined || isPaid, `generation ${_id} names a charge that nobody made`);
    demand(owes === undefined, `generation ${_id} still owes its ${owes}`);
    demand(openActs === undefined, `an act on generation ${_id} is not in the audit trail`);
    demand(lease === undefined, `generation ${_id} is ${status} and still leased`);
  }
  const isErased = generations.some(({ prompt }) => prompt === '[erased]');
  const total = user.totalImagesGenerated;
  demand(isErased || total === counted, `${total} images are counted instead of ${counted}`);
  return faults;
}

function faultsInSubscriptions({ user, subscriptions }: Books, now: Date): string[] {
  const unfinished = subscriptions.filter(
    ({ unapplied, openActs }) => unapplied !== undefined || openActs !== undefined,
  );
  const newestFirst = subscriptions.toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
  const isLive = ({ status, isDeleted }: Subscription) => !isDeleted && LIVE_STATUSES.includes(status);
  const live = newestFirst.filter(isLive);
  const governing = live[0] ?? newestFirst[0];
  const entitled = governing && (!governing.isDeleted && isActive(governing, now) ? governing.tier : 'free');
  return [
    ...unfinished.map(({ _id }) => `subscription ${_id} has not been followed`),
    ...(live.length > 1 ? [`${live.length} subscriptions are live`] : []),
    ...(entitled && user.subscriptionTier !== entitled
      ? [`the tier is ${user.subscriptionTier}, not ${entitled}`]
      : []),
  ];
}

/** What the books say, without ids and instants: equal for users to whom the same has happened. */
export function digestOf(all: readonly Books[]): unknown {
  return all
    .map(({ user, ledger, generations, subscriptions, audit }) => ({
      usage: user.monthlyUsage,
      total: user.totalImagesGenerated,
      tier: user.subscriptionTier,
      isDeleted: user.isDeleted,
      period: user.periodNumber,
      ledger: ledger.map(({ kind, credits, period }) => `${kind} ${credits} in ${period}`),
      generations: generations
        .map(({ status, isDeleted, outputImages, charge }) =>
          [status, isDeleted && 'deleted', outputImages.length, charge?.credits].join(' '),
        )
        .sort(),
      subscriptions: subscriptions
        .map(({ tier, status, pendingTier, isDeleted }) => [tier, status, pendingTier, isDeleted].join(' '))
        .sort(),
      audit: audit.map(({ action }) => action).sort(),
    }))
    .map((digest) => JSON.stringify(digest))
    .sort();
}
