import { Types } from 'mongoose';
import { RateLimiterMongo } from 'rate-limiter-flexible';
import { createLog } from '../../src/config/log.ts';
import { createSettler } from '../../src/jobs/settler.ts';
import { chargingTogether } from '../../src/repositories/charging.ts';
import { settle } from '../../src/repositories/settlement.ts';
import { consumeQuota } from '../../src/workflows/consumeQuota.ts';
import { type Context, NO_QUEUE } from '../../src/workflows/context.ts';
import type { BenchStore } from './database.ts';

/** One way to take a credit from a user who has enough. */
export interface Contender {
  name: string;
  /** @param signal when it is aborted, nothing is tried again */
  take(user: Types.ObjectId, signal: AbortSignal): Promise<void>;
  /** Resolves when whatever it does behind its answers is done. */
  drained(): Promise<void>;
}

/** More than any run takes, so that nothing is refused and every call writes. */
export const PLENTY = 1_000_000_000;

const LIMIT_SECONDS = 30 * 24 * 60 * 60;

const nothingBehind = async (): Promise<void> => {};

/** All of them, over one connection, for users that {@link signUpUsers} has made. The first is what the others are held against. */
export async function createContenders(store: BenchStore): Promise<Contender[]> {
  const everywhere = [bareDriver(store), charge(store), await rateLimiter(store)];
  return (await hasTransactions(store)) ? [...everywhere, transaction(store)] : everywhere;
}

/** A standalone server has none: https://www.mongodb.com/docs/manual/core/transactions-production-consideration/ */
async function hasTransactions({ connection }: BenchStore): Promise<boolean> {
  const hello = await connection.db?.command({ hello: 1 });
  return hello?.['setName'] !== undefined || hello?.['msg'] === 'isdbgrid';
}

/** Makes the users in the shape of each contender, once for all connections. */
export async function signUpUsers(store: BenchStore, count: number): Promise<Types.ObjectId[]> {
  const users = Array.from({ length: count }, () => new Types.ObjectId());
  await store.models.User.insertMany(
    users.map((_id) => ({
      _id,
      clerkUserId: `user_bench_${_id}`,
      subscriptionTier: 'pro',
      grantedCredits: PLENTY,
    })),
  );
  for (const collection of [bareAccounts(store), transactedAccounts(store)]) {
    await collection.insertMany(users.map(plainAccount));
  }
  await transactedLedger(store).createIndex({ userId: 1, at: -1 });
  return users;
}

/** What the specification says of a user, and nothing of what Artifex adds; the tier's quota and grants stand as one number. */
interface PlainAccount {
  _id: Types.ObjectId;
  clerkUserId: string;
  email: string;
  name: string;
  subscriptionTier: string;
  monthlyUsage: number;
  limit: number;
  totalImagesGenerated: number;
  quotaResetDate: Date;
  preferences: Record<string, string>;
  isDeleted: boolean;
  createdAt: Date;
  updatedAt: Date;
}

function plainAccount(_id: Types.ObjectId): PlainAccount {
  const now = new Date();
  return {
    _id,
    clerkUserId: `user_bench_${_id}`,
    email: `${_id}@example.com`,
    name: 'Bench',
    subscriptionTier: 'pro',
    monthlyUsage: 0,
    limit: PLENTY,
    totalImagesGenerated: 0,
    quotaResetDate: new Date(now.getTime() + LIMIT_SECONDS * 1000),
    preferences: { defaultStyle: 'realistic', defaultAspectRatio: '1:1', defaultQuality: 'standard' },
    isDeleted: false,
    createdAt: now,
    updatedAt: now,
  };
}

const bareAccounts = ({ connection }: BenchStore) => connection.collection<PlainAccount>('bare_accounts');
const transactedAccounts = ({ connection }: BenchStore) => connection.collection<PlainAccount>('transacted_accounts');
const transactedLedger = ({ connection }: BenchStore) => connection.collection('transacted_ledger');

const admitted = (_id: Types.ObjectId) => ({ _id, $expr: { $lt: ['$monthlyUsage', '$limit'] } });
const ONE_MORE = { $inc: { monthlyUsage: 1 } };

/** The least that never overspends: no ledger, no idempotency, no period, no soft delete. */
function bareDriver(store: BenchStore): Contender {
  const accounts = bareAccounts(store);
  return {
    name: 'findOneAndUpdate',
    async take(user) {
      if (!(await accounts.findOneAndUpdate(admitted(user), ONE_MORE, { returnDocument: 'after' }))) throw refused();
    },
    drained: nothingBehind,
  };
}

/** With the settler behind it that every process of the API has. */
function charge(store: BenchStore): Contender {
  const log = createLog({ level: 'warn', write: (line) => console.error(line) });
  const settler = createSettler((users) => settle(store, users), log, { jobEnded() {}, jobSucceededAt() {} });
  const ctx: Context = {
    ...store,
    log,
    charging: chargingTogether(store),
    settler,
    queue: NO_QUEUE,
    announcer: { notice() {} },
    courier: { wake() {} },
  };
  return {
    name: 'Artifex: charge',
    async take(user) {
      await consumeQuota(ctx, { _id: user }, { credits: 1 });
    },
    drained: settler.drained,
  };
}

async function rateLimiter({ connection }: BenchStore): Promise<Contender> {
  const limiter = new RateLimiterMongo({
    storeClient: connection.getClient(),
    dbName: connection.name,
    tableName: 'rate_limits',
    points: PLENTY,
    duration: LIMIT_SECONDS,
    disableIndexesCreation: true,
  });
  await limiter.createIndexes();
  return {
    name: 'RateLimiterMongo.consume',
    async take(user) {
      await limiter.consume(user.toHexString());
    },
    drained: nothingBehind,
  };
}

/** The account and its ledger in step, as the manual does it: https://www.mongodb.com/docs/manual/core/transactions/ */
function transaction(store: BenchStore): Contender {
  const accounts = transactedAccounts(store);
  const ledger = transactedLedger(store);
  return {
    name: 'withTransaction',
    async take(user, signal) {
      await store.connection.getClient().withSession((session) =>
        session.withTransaction(async () => {
          signal.throwIfAborted();
          const options = { session, returnDocument: 'after' } as const;
          const account = await accounts.findOneAndUpdate(admitted(user), ONE_MORE, options);
          if (!account) throw refused();
          const balance = account.limit - account.monthlyUsage;
          await ledger.insertOne({ userId: user, kind: 'charge', credits: 1, balance, at: new Date() }, { session });
        }),
      );
    },
    drained: nothingBehind,
  };
}

const refused = () => new Error('A credit was refused although there were plenty');
