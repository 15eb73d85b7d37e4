import { Types } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { idempotencyOf } from '@/domain/idempotency.ts';
import { perMinute } from '@/domain/rateLimit.ts';
import { useKeyring } from '@/encryption/connections.ts';
import { createKeyring } from '@/encryption/keyring.ts';
import { chargeTogether } from '@/models/statements/chargingTogether.ts';
import { followSubscription } from '@/models/statements/following.ts';
import { payObligation } from '@/models/statements/obligations.ts';
import { onQuotaAlert } from '@/models/statements/quotaAlerts.ts';
import { rollUp } from '@/models/statements/usage/rollUp.ts';
import { systemStats, userStats } from '@/models/statements/usage/stats.ts';
import { freezeDays, removeUsage } from '@/models/statements/usage/upkeep.ts';
import { deleteUser, grantCredits, resetDueQuotas, resetQuota, restoreUser } from '@/repositories/accounts.ts';
import { systemAnalytics, userAnalytics } from '@/repositories/analytics.ts';
import { listAudit, recordAct, recordActOn } from '@/repositories/audit.ts';
import { readGenerations, readVersions } from '@/repositories/generationChanges.ts';
import { cancelGeneration, listGenerations } from '@/repositories/generations.ts';
import {
  abandonLostJob,
  claimDueJob,
  endJob,
  forgetFuture,
  giveJobBack,
  keepJobProgress,
  prepareJob,
  readJobState,
  readJobStates,
  renewJobLease,
} from '@/repositories/jobLeases.ts';
import { releaseLease, renewLease } from '@/repositories/leases.ts';
import { listLedger } from '@/repositories/ledger.ts';
import { queueState } from '@/repositories/queue.ts';
import { rotateEncryption } from '@/repositories/rotation.ts';
import { settle } from '@/repositories/settlement.ts';
import { createLimitMemory, sharedLimiter } from '@/repositories/sharedLimiter.ts';
import { changeProfile, getAnyUser, getUser, isStillUser, listUsers } from '@/repositories/users.ts';
import { chargeGeneration } from '@/workflows/chargeGeneration.ts';
import { claim } from '@/workflows/claim.ts';
import { performMaintenanceCleanup } from '@/workflows/cleanup.ts';
import { consumeQuota } from '@/workflows/consumeQuota.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { cancel, complete, fail, remove } from '@/workflows/endGeneration.ts';
import { eraseUser, exportUser } from '@/workflows/personalData.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { contextOf } from '../support/context.ts';
import { START, signUp, useDatabase } from '../support/database.ts';
import { inboundQueries } from '../support/inboundQueries.ts';
import { Interleaving } from '../support/interleave.ts';
import { plansOf, type QueryPlan, queriesDuring, querySitesIn, type SentQueries } from '../support/queries.ts';
import { webhookQueries } from '../support/webhookQueries.ts';

/**
 * Every query has its index, and looks at no more documents than it finds. The history below is large enough that a query
 * without an index, or with the wrong one, looks at many more.
 */
const FOLDERS = ['src/repositories', 'src/models/methods', 'src/models/statements', 'src/workflows'];

/** Queries that read whole collections on purpose: batch by batch, counting, or where there is a handful of documents. */
const WHOLE_COLLECTIONS = [
  /^distinct /,
  /^aggregate .*"\$match":\{"isDeleted":"\?"\}\},\{"\$group":\{"_id":"\?","n":/,
  /^find \{"find":"\?","filter":\{\},"sort":\{"_id":"\?"\}/,
  /^find .*"sort":\{"at":"\?","_id":"\?"\}/,
];

/** Queries that find one sum of many documents, and writes to documents just read by id, which find nothing when they are explained later. */
const SUMS_AND_GUARDED_WRITES = [
  /^aggregate .*"\$group":.*"timed":/,
  /^aggregate .*"\$bucket":/,
  // Counted by the keys of an index, up to a limit.
  /^aggregate .*\{"\$match":\{"(availableAt|waitingSince)":\{"\$gt":"\?"\}\}\},\{"\$limit"/,
  /^aggregate .*"status":\{"\$in":\["\?"\]\}\},.*"\$group":\{"_id":"\?","n":/,
  /^update .*"q":\{"_id":\{"\$in":\["\?"\]\},"(counted|due\.)/,
  /^update .*"q":\{"day":"\?","frozen":/,
];

const store = useDatabase();
const ctx = contextOf(store);
const { Subscription, User, ImageGeneration } = store.models;

const request = { type: 'text-to-image', prompt: 'A beautiful sunset' } as const;
const picture = { url: 'https://example.com/1.png', filename: '1.png', size: 3 };
const actor = { kind: 'admin', id: 'user_admin' } as const;
const DAY = 24 * 60 * 60 * 1000;

let sent: SentQueries;
let plans: QueryPlan[];

beforeAll(async () => {
  useKeyring(store.connection, createKeyring([]));
  onQuotaAlert(store, () => {});
  const users = await Promise.all(Array.from({ length: 40 }, () => signUp(store, 'pro')));
  await makeHistory(users);
  const [someone] = users;
  if (!someone) throw new Error('Somebody has to be there');
  sent = await queriesDuring(store.connection, FOLDERS, () => everything(someone));
  plans = await plansOf(store.connection, sent.commands);
}, 120_000);

/** A long history of many users: generations of every status, subscriptions, ledger and audit entries. */
async function makeHistory(users: Types.ObjectId[]): Promise<void> {
  const at = (index: number) => new Date(START.getTime() - index * 3_600_000);
  const statuses = ['completed', 'failed', 'cancelled', 'completed'] as const;
  const generations = users.flatMap((userId, nth) =>
    Array.from({ length: 60 }, (_, index) => ({
      userId,
      ...request,
      status: statuses[index % statuses.length] ?? 'completed',
      isDeleted: index % 7 === 0,
      ...(index % 7 === 0 && { deletedAt: at(index) }),
      createdAt: at(index * 3 + nth),
      updatedAt: at(index),
      charge: { id: new Types.ObjectId(), credits: 1, period: 1 },
    })),
  );
  await ImageGeneration.insertMany(generations, { ordered: false, timestamps: false });
  await Subscription.insertMany(
    users.map((userId, nth) => ({
      userId,
      tier: 'pro' as const,
      status: nth % 2 === 0 ? ('active' as const) : ('canceled' as const),
      stripeSubscriptionId: `sub_${nth}`,
      stripeCustomerId: `cus_${nth}`,
      currentPeriodEnd: new Date(START.getTime() + 300 * DAY),
    })),
  );
  for (const userId of users) {
    for (let round = 0; round < 12; round += 1) await consumeQuota(ctx, { _id: userId }, { credits: 1 });
    await grantCredits(store, { _id: userId }, { credits: 1, reason: 'history' }, actor);
  }
  await settle(store, users.slice(0, 100));
}

/** Whatever the data layer does, once. */
async function everything(userId: Types.ObjectId): Promise<void> {
  const user = { _id: userId };
  const { clerkUserId } = await getUser(store, user);
  await accountsOf(userId, clerkUserId);
  await generationsOf(userId, clerkUserId);
  await documentsOf(userId);
  await isStillUser(store, userId, clerkUserId);
  const watched = (await listGenerations(store, userId, { limit: 5 })).map(({ _id }) => _id);
  await readGenerations(store, watched);
  await readVersions(store, watched);
  await changeProfile(store, { clerkUserId }, { name: 'Another' });
  await jobs();
  await maintenance();
  await listings(userId);
  await webhookQueries(ctx, userId);
  await inboundQueries(ctx, userId);
  await analytics(userId);
  await verifyLedger(store);
  await exportUser(store, user, actor);
  const leaving = await signUp(store);
  await createGeneration(ctx, { _id: leaving }, request);
  await consumeQuota(ctx, { _id: leaving }, { credits: 1, reason: 'because' });
  await eraseUser(store, { _id: leaving }, { actor, removePicture: async () => {} });
  // Enough of ten credits for an alert.
  await consumeQuota(ctx, { _id: await signUp(store) }, { credits: 9 });
  const limiter = sharedLimiter(store, createLimitMemory(perMinute(10)));
  for (let person = 0; person < 50; person += 1) {
    for (let time = 0; time < 2; time += 1) await limiter.take(`user_${person}`);
  }
  // Gives back what the second request has taken beforehand.
  await limiter.stop();
  await rotation();
}

/** Begins with what was stored before there were keys. */
async function rotation(): Promise<void> {
  const key = (id: string) => ({ id, key: Buffer.alloc(32, id).toString('base64') });
  useKeyring(store.connection, createKeyring([key('first')]));
  await rotateEncryption(store, () => {});
  // Without the first key nothing can be read, and it is told what needs it.
  useKeyring(store.connection, createKeyring([key('second')]));
  await rotateEncryption(store, () => {});
  useKeyring(store.connection, createKeyring([key('second'), key('first')]));
  await rotateEncryption(store, () => {});
}

async function accountsOf(userId: Types.ObjectId, clerkUserId: string): Promise<void> {
  const user = { clerkUserId };
  const idempotency = await idempotencyOf(clerkUserId, 'key', { route: 'test', body: {} });
  await consumeQuota(ctx, user, { credits: 1 }, idempotency);
  await settle(store, [userId]);
  await consumeQuota(ctx, user, { credits: 1 }, idempotency);
  const charge = (credits: number) => ({ id: new Types.ObjectId(), kind: 'charge', credits }) as const;
  // One account alone, and several: of nobody, too, since these are more than go by themselves.
  const references = [user, { _id: userId }, { clerkUserId: 'nobody' }];
  await chargeTogether(store, [{ user, posting: charge(1) }]);
  await chargeTogether(
    store,
    references.map((reference) => ({ user: reference, posting: charge(1) })),
  );
  // What does not fit is looked for in account and ledger.
  await chargeTogether(
    store,
    references.map((reference) => ({ user: reference, posting: charge(100_000) })),
  );
  for (const act of [resetQuota, deleteUser, restoreUser]) {
    await act(store, user, actor);
    store.clock.advance(1000);
  }
  await settle(store, [userId]);
  store.clock.advance(32 * DAY);
  await resetDueQuotas(store);
}

async function generationsOf(userId: Types.ObjectId, clerkUserId: string): Promise<void> {
  const user = { clerkUserId };
  const create = async () => (await createGeneration(ctx, user, request)).generation;
  const claimed = async () => {
    const next = await claim(ctx, { workerId: 'w', leaseSeconds: 60, types: ['text-to-image', 'upscale'] });
    if (!next) throw new Error('One was just made');
    return next;
  };
  await create();
  await queueState(store);
  const first = await claimed();
  await renewLease(store, first._id, first.lease.token);
  await releaseLease(store, first._id, first.lease.token);
  const again = await claimed();
  await complete(ctx, again._id, again.lease.token, { outputImages: [picture] });
  await create();
  const failing = await claimed();
  await fail(ctx, failing._id, failing.lease.token, { errorMessage: 'no', retryable: false });
  await fail(ctx, failing._id, failing.lease.token, { errorMessage: 'no', retryable: false }).catch(() => {});
  await cancel(ctx, userId, (await create())._id);
  await remove(ctx, userId, (await create())._id, actor);
  await create();
  await claimed();
  store.clock.advance(61_000);
  await sweep(ctx, 0);
  const recorded = await ImageGeneration.createGeneration({ userId, ...request });
  await chargeGeneration(ctx, user, { credits: 1, generationId: recorded._id });
  await chargeGeneration(ctx, user, { credits: 1, generationId: recorded._id });
  // A refund whose obligation was read long ago is looked up again before it is posted.
  const late = await create();
  await payObligation(store, await cancelGeneration(store, userId, late._id), new Date(0));
  await sweep(ctx, 0);
  // A process that dies in the middle of a settlement leaves the ledger written and the account open.
  await create();
  const dying = new Interleaving();
  void dying.start(() => settle(store, [userId]));
  let commands = 0;
  await dying.play(() => ({ index: 0, fate: ++commands === 6 ? 'before' : 'lives' }));
  await settle(store, [userId]);
}

async function documentsOf(userId: Types.ObjectId): Promise<void> {
  const user = await User.findById(userId);
  await user?.incrementUsage(1);
  await user?.getSubscriptionDetails();
  await User.findByClerkId('user_nobody');
  await User.getActiveUsersCount();
  await User.getUsersToResetQuota();
  const subscription = await Subscription.findByUserId(userId);
  await subscription?.downgrade('plus');
  await subscription?.softDelete();
  store.clock.advance(1000);
  await subscription?.restore();
  await Subscription.findByUserId(new Types.ObjectId());
  await Subscription.findByTier('plus');
  await Subscription.findByStripeId('sub_3');
  await Subscription.findExpiredSubscriptions();
  const newcomer = await signUp(store);
  const told = {
    userId: newcomer,
    customerId: 'cus_new',
    subscriptionId: 'sub_new',
    status: 'active' as const,
    tier: 'plus' as const,
    currentPeriodEnd: new Date(store.clock.now().getTime() + DAY),
  };
  await Promise.all([Subscription.createFromStripe(told), Subscription.createFromStripe(told)]);
  await Subscription.createFromStripe({ ...told, subscriptionId: 'sub_second' }).catch(() => {});
  // Who has nothing new to tell looks up what was followed.
  await followSubscription(store, newcomer, actor);
  const generation = await ImageGeneration.createGeneration({ userId, ...request });
  await generation.markAsCompleted([picture]).catch(() => {});
  await generation.markAsProcessing();
  await generation.markAsCompleted([picture]);
  store.clock.advance(1000);
  await generation.softDelete();
  store.clock.advance(1000);
  await generation.restore();
  await ImageGeneration.findByUser(userId, { limit: 10, status: 'completed' });
  await ImageGeneration.findRecentByUser(userId, 2);
  await ImageGeneration.findStalledGenerations();
}

async function jobs(): Promise<void> {
  const instant = store.clock.now();
  await prepareJob(store, 'job', new Date(0));
  await readJobStates(store);
  await readJobState(store, 'job');
  const lease = await claimDueJob(store, { job: 'job', instant, holder: 'h', leaseMs: 1000 });
  if (!lease) throw new Error('The job is due');
  await renewJobLease(store, lease, 1000);
  await keepJobProgress(store, lease, { after: 'sub_1' });
  await giveJobBack(store, lease);
  await endJob(store, lease, { outcome: 'succeeded', result: {} });
  await abandonLostJob(store, { job: 'job', instant });
  const state = await readJobState(store, 'job');
  if (!state) throw new Error('The job was prepared');
  await forgetFuture(store, { ...state, doneFor: new Date(8.64e15) }, { job: 'job', instant, leaseMs: 1000 });
}

async function maintenance(): Promise<void> {
  await Subscription.create({
    userId: await signUp(store),
    tier: 'plus',
    status: 'active',
    currentPeriodEnd: new Date(store.clock.now().getTime() - 60 * DAY),
  });
  await performMaintenanceCleanup(store, { failedDays: 35, removePicture: async () => {} });
  await sweep(ctx, 0);
}

async function analytics(userId: Types.ObjectId): Promise<void> {
  await rollUp(store);
  await createGeneration(ctx, { _id: userId }, request);
  await userAnalytics(store, { _id: userId });
  await userStats(store, userId);
  await createGeneration(ctx, { _id: userId }, request);
  await systemAnalytics(store);
  await systemStats(store);
  await freezeDays(store, new Date(START.getTime() - 5 * DAY));
  const leaving = await signUp(store);
  await createGeneration(ctx, { _id: leaving }, request);
  await rollUp(store);
  await removeUsage(store, [leaving]);
}

async function listings(userId: Types.ObjectId): Promise<void> {
  const page = await listGenerations(store, userId, { limit: 10 });
  const last = page.at(-1);
  if (!last) throw new Error('There is a history');
  const after = { createdAt: last.createdAt, id: last._id };
  await listGenerations(store, userId, { limit: 10, after });
  await listGenerations(store, userId, { limit: 10, status: 'completed', after });
  await listGenerations(store, userId, { limit: 10, type: 'text-to-image', from: new Date(START.getTime() - 3 * DAY) });
  await listLedger(store, userId, { limit: 5 });
  await listLedger(store, userId, { limit: 5, before: 9 });
  for (let round = 0; round < 12; round += 1) {
    store.clock.advance(1000);
    await recordAct(store, { action: 'user.read', actor }, { model: 'User', id: userId });
  }
  const [, entry] = await listAudit(store, { limit: 5 });
  if (!entry) throw new Error('There were acts');
  await listAudit(store, { limit: 5, after: { at: entry.at, id: entry._id } });
  await recordActOn(store, { action: 'user.read', actor }, [{ model: 'User', id: userId }]);
  await getAnyUser(store, userId);
  const [, user] = await listUsers(store, { limit: 5 });
  if (!user) throw new Error('There are users');
  const afterUser = { createdAt: user.createdAt, id: user._id };
  for (const filter of [{}, { email: 'somebody@example.com' }, { tier: 'pro' as const }]) {
    await listUsers(store, { ...filter, limit: 5 });
    await listUsers(store, { ...filter, limit: 5, after: afterUser });
  }
}

describe('the queries of the data layer', () => {
  it('are all sent by this file: a new one has to be added here', () => {
    expect(querySitesIn(FOLDERS).filter((site) => !sent.sites.has(site))).toEqual([]);
  });

  it('each have an index', () => {
    const scans = plans
      .filter(({ stages }) => stages.includes('COLLSCAN'))
      .filter(({ shape }) => !WHOLE_COLLECTIONS.some((known) => known.test(shape)));
    expect(scans.map(({ collection, shape }) => `${collection}: ${shape}`)).toEqual([]);
  });

  it('look at no more documents than they find, but one and a tenth', () => {
    const wasteful = plans
      .filter(({ examined, found }) => examined > found * 1.1 + 1)
      .filter(({ shape }) => ![...WHOLE_COLLECTIONS, ...SUMS_AND_GUARDED_WRITES].some((known) => known.test(shape)));
    expect(
      wasteful.map(({ collection, shape, examined, found }) => `${collection} ${examined}/${found}: ${shape}`),
    ).toEqual([]);
  });
});
