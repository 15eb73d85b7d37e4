import type { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { endWithAccounts } from '@/billing/endWithAccount.ts';
import { type BillingDeps, syncCustomer } from '@/billing/sync.ts';
import { ArtifexError } from '@/domain/errors.ts';
import { auditOf, subscriptionsOf } from '@/models/collections.ts';
import { restoreUser } from '@/repositories/accounts.ts';
import { deleteAccount } from '@/workflows/deleteAccount.ts';
import { eraseUser } from '@/workflows/personalData.ts';
import { sweep } from '@/workflows/sweep.ts';
import { keptLog } from '../support/api.ts';
import { useShop } from '../support/billing.ts';
import { contextOf } from '../support/context.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import { asProcess, Crash, type Fault } from '../support/interleave.ts';
import { failing, noFaults } from '../support/stripe/faults.ts';
import { advanceTo, subscribe } from '../support/stripe/lifecycle.ts';
import { stripeWithin } from '../support/stripe/within.ts';

const store = useDatabase();
const shop = useShop(store);
const { log } = keptLog();
const ctx = Object.assign(contextOf(store), { log });
const MONTH_AND_A_DAY = 32 * 24 * 3_600;
const MINUTE_MS = 60_000;

function deps(): BillingDeps {
  const { deps: billing } = shop.current.app.billing;
  if (!billing) throw new Error('The shop has a Stripe');
  return billing;
}

async function subscriber(options: { trialDays?: number } = {}) {
  const userId = await signUp(store);
  const customer = shop.current.customerOf(userId);
  const subscription = shop.current.sell(customer, 'plus', options);
  await shop.current.deliver();
  return { userId, customer, subscription };
}

const deleteUser = (userId: Types.ObjectId) =>
  deleteAccount(ctx, { _id: userId }, { kind: 'user', id: userId.toHexString() });

/** What runs by itself. */
async function work() {
  await sweep(ctx, 0);
  return endWithAccounts(deps(), log);
}

async function linesOf(userId: Types.ObjectId) {
  const ids = await subscriptionsOf(store).distinct('_id', { userId });
  const lines = await auditOf(store)
    .find({ action: 'subscription.ended_with_account', 'subject.id': { $in: ids } })
    .toArray();
  return lines.map(({ detail }) => detail);
}

const storedOf = (userId: Types.ObjectId) => subscriptionsOf(store).findOne({ userId });

describe('the subscription of an account that was deleted', () => {
  it('ends with its period, is billed no more, and stands in the audit trail once', async () => {
    const { userId, subscription } = await subscriber();
    await deleteUser(userId);
    expect(await work()).toEqual({ accountsEnded: 1, checkoutsExpired: 0 });
    expect(subscription).toMatchObject({ status: 'active', cancel_at_period_end: true });
    expect(await storedOf(userId)).toMatchObject({ status: 'active', cancelAtPeriodEnd: true });
    await shop.current.deliver();
    expect(await work()).toEqual({ accountsEnded: 0, checkoutsExpired: 0 });
    const { world } = shop.current.server;
    const invoices = world.invoices.size;
    advanceTo(world, world.now + MONTH_AND_A_DAY);
    store.clock.advance(MONTH_AND_A_DAY * 1_000);
    await shop.current.deliver();
    expect([subscription.status, world.invoices.size]).toEqual(['canceled', invoices]);
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'free' });
    await work();
    expect(await linesOf(userId)).toEqual([{ atPeriodEnd: true }]);
  });

  it('ends when its owner deletes the account over HTTP', async () => {
    const person = await shop.current.app.person();
    await person.get('/v1/me');
    const user = await store.models.User.findByClerkId(person.clerkUserId);
    if (!user) throw new Error('The first request makes the user');
    const subscription = shop.current.sell(shop.current.customerOf(user._id), 'pro');
    await shop.current.deliver();
    expect((await person.delete('/v1/me')).status).toBe(204);
    await work();
    expect(subscription.cancel_at_period_end).toBe(true);
  });

  it('ends though a downgrade was to come', async () => {
    const userId = await signUp(store);
    const subscription = shop.current.sell(shop.current.customerOf(userId), 'pro');
    await shop.current.deliver();
    await shop.current.app.billing.change(userId, { tier: 'plus' });
    await deleteUser(userId);
    await work();
    expect(subscription).toMatchObject({ cancel_at_period_end: true, schedule: null });
  });

  it('ends at once where nothing was paid for', async () => {
    const { userId, subscription } = await subscriber();
    const { world } = shop.current.server;
    world.declined.add(subscription.customer);
    advanceTo(world, world.now + MONTH_AND_A_DAY);
    store.clock.advance(MONTH_AND_A_DAY * 1_000);
    await shop.current.deliver();
    expect(subscription.status).toBe('past_due');
    await deleteUser(userId);
    await work();
    expect(subscription.status).toBe('canceled');
    expect(await linesOf(userId)).toEqual([{ atPeriodEnd: false }]);
  });

  it('ends a trial before it is paid for', async () => {
    const { userId, subscription } = await subscriber({ trialDays: 5 });
    await deleteUser(userId);
    await work();
    const { world } = shop.current.server;
    advanceTo(world, world.now + MONTH_AND_A_DAY);
    expect([subscription.status, [...world.charges.values()]]).toEqual(['canceled', []]);
  });

  it('ends with whatever else the customer has at Stripe', async () => {
    const { userId, customer, subscription } = await subscriber();
    const second = shop.current.sell(customer, 'plus');
    await deleteUser(userId);
    await work();
    expect([subscription.cancel_at_period_end, second.cancel_at_period_end]).toEqual([true, true]);
  });

  it('ends though another one counts, which ends with its period, whichever came before the deletion', async () => {
    const { userId, customer, subscription } = await subscriber();
    await shop.current.app.billing.change(userId, { cancelAtPeriodEnd: true });
    const before = shop.current.sell(customer, 'plus');
    await shop.current.deliver();
    await deleteUser(userId);
    await work();
    const after = shop.current.sell(customer, 'plus');
    await shop.current.deliver();
    await work();
    expect(subscription.cancel_at_period_end).toBe(true);
    expect([before.cancel_at_period_end, after.cancel_at_period_end]).toEqual([true, true]);
  });

  it('ends also where it was paid for after the deletion', async () => {
    const userId = await signUp(store);
    const customer = shop.current.customerOf(userId);
    await deleteUser(userId);
    await work();
    const late = shop.current.sell(customer, 'plus');
    await shop.current.deliver();
    await work();
    expect(late.cancel_at_period_end).toBe(true);
  });

  it('says nothing of one that its owner has cancelled before', async () => {
    const { userId, subscription } = await subscriber();
    await shop.current.app.billing.change(userId, { cancelAtPeriodEnd: true });
    await deleteUser(userId);
    expect(await work()).toEqual({ accountsEnded: 0, checkoutsExpired: 0 });
    expect(subscription.cancel_at_period_end).toBe(true);
    expect(await linesOf(userId)).toEqual([]);
  });

  it('stays what was paid for to who comes back, until its period ends or it is resumed', async () => {
    const { userId, subscription } = await subscriber();
    await deleteUser(userId);
    await work();
    await restoreUser(ctx, { _id: userId }, { kind: 'webhook', id: 'clerk' });
    await work();
    expect(await readUser(store, userId)).toMatchObject({ isDeleted: false, subscriptionTier: 'plus' });
    expect(subscription.cancel_at_period_end).toBe(true);
    await shop.current.app.billing.change(userId, { cancelAtPeriodEnd: false });
    await work();
    expect(subscription.cancel_at_period_end).toBe(false);
    await deleteUser(userId);
    await work();
    expect(subscription.cancel_at_period_end).toBe(true);
    expect(await linesOf(userId)).toHaveLength(2);
  });

  it('goes on where the account was restored before anybody has ended it', async () => {
    const { userId, subscription } = await subscriber();
    await deleteUser(userId);
    await sweep(ctx, 0);
    await restoreUser(ctx, { _id: userId }, { kind: 'webhook', id: 'clerk' });
    expect(await work()).toEqual({ accountsEnded: 0, checkoutsExpired: 0 });
    expect(subscription.cancel_at_period_end).toBe(false);
    expect((await storedOf(userId))?.ending).toBeUndefined();
  });

  it('is ended later while Stripe is out of reach, and says nothing before', async () => {
    const { userId, subscription } = await subscriber();
    const { server } = shop.current;
    server.faults = failing('POST /v1/subscriptions', 'error', Number.POSITIVE_INFINITY);
    await deleteUser(userId);
    await work();
    expect(await linesOf(userId)).toEqual([]);
    server.faults = noFaults;
    expect(await work()).toEqual({ accountsEnded: 0, checkoutsExpired: 0 });
    store.clock.advance(MINUTE_MS);
    expect(await work()).toEqual({ accountsEnded: 1, checkoutsExpired: 0 });
    expect(subscription.cancel_at_period_end).toBe(true);
    expect(await linesOf(userId)).toHaveLength(1);
  });

  it('is ended before the account is erased', async () => {
    const { userId, subscription } = await subscriber();
    const { world } = shop.current.server;
    world.declined.add(subscription.customer);
    advanceTo(world, world.now + MONTH_AND_A_DAY);
    store.clock.advance((MONTH_AND_A_DAY + 3 * 24 * 3_600) * 1_000);
    await shop.current.deliver();
    const erasure = () =>
      eraseUser(store, { _id: userId }, { removePicture: async () => {}, actor: { kind: 'admin' } });
    await expect(erasure()).rejects.toThrow(ArtifexError);
    await work();
    await erasure();
    expect(subscription.status).toBe('canceled');
    expect((await storedOf(userId))?.stripeSubscriptionId).toBeUndefined();
  });
});

describe('a process that dies, or hears no answer, at any command or call', () => {
  /** A deletion and all that follows, in one process whose command of that number meets the fault. */
  async function played(fault: Fault, last: number) {
    const { world } = shop.current.server;
    const userId = await signUp(store);
    const customer = shop.current.customerOf(userId);
    const subscription = subscribe(world, { customer, price: shop.current.prices.plus });
    const billing = { ...deps(), stripe: stripeWithin(world) };
    await syncCustomer(billing, customer);
    let commands = 0;
    const process = asProcess(
      () => {
        commands += 1;
        return commands === last ? fault : 'lives';
      },
      async () => {
        await deleteUser(userId);
        await sweep(ctx, 0);
        await endWithAccounts(billing, log);
      },
    );
    await process.catch((error: unknown) => {
      if (!(error instanceof Crash) && !(error instanceof Error && error.name.startsWith('Mongo'))) throw error;
    });
    // Others go on, when what it had in hand has become due.
    store.clock.advance(61 * MINUTE_MS);
    await sweep(ctx, 0);
    await endWithAccounts(billing, log);
    const { isDeleted } = await readUser(store, userId);
    const { ending, cancelAtPeriodEnd } = (await storedOf(userId)) ?? {};
    return { commands, subscription, userId, isDeleted, ending, cancelAtPeriodEnd };
  }

  it.each(['before', 'after', 'unanswered'] as const)(
    'leaves it ended and told once: %s',
    { timeout: 60_000 },
    async (fault) => {
      for (let last = 1; ; last += 1) {
        const { commands, subscription, userId, isDeleted, ending, cancelAtPeriodEnd } = await played(fault, last);
        const about = `${fault} at ${last}`;
        expect([ending, cancelAtPeriodEnd, subscription.cancel_at_period_end], about).toEqual([
          undefined,
          isDeleted,
          isDeleted,
        ]);
        expect(await linesOf(userId), about).toHaveLength(isDeleted ? 1 : 0);
        if (commands < last) break;
      }
    },
  );
});
