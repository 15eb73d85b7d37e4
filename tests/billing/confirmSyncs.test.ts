import { beforeEach, describe, expect, it } from 'vitest';
import { changeSubscription } from '@/billing/change.ts';
import { openCheckout } from '@/billing/checkout.ts';
import { confirmSyncs } from '@/billing/confirmSyncs.ts';
import { endWithAccounts } from '@/billing/endWithAccount.ts';
import { reconcile } from '@/billing/reconcile.ts';
import { type BillingDeps, syncCustomer } from '@/billing/sync.ts';
import { LIBRARY } from '@/domain/audit.ts';
import { ArtifexError } from '@/domain/errors.ts';
import { subscriptionsOf } from '@/models/collections.ts';
import { followSubscription } from '@/models/statements/following.ts';
import { deleteUser } from '@/repositories/accounts.ts';
import { settle } from '@/repositories/settlement.ts';
import { keptLog } from '../support/api.ts';
import { useShop } from '../support/billing.ts';
import { clearBooks } from '../support/books.ts';
import { type Command, pastGates } from '../support/commandGate.ts';
import { commandsDuring } from '../support/commands.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import { asProcess, Crash, type Fate } from '../support/interleave.ts';
import { failing, noFaults } from '../support/stripe/faults.ts';
import { change } from '../support/stripe/lifecycle.ts';
import { dashboardPrice } from '../support/stripe/subscriptions.ts';
import { stripeWithin } from '../support/stripe/within.ts';

const store = useDatabase();
const shop = useShop(store);
const MINUTE_MS = 60_000;

beforeEach(() => clearBooks(store));

function deps(): BillingDeps {
  const { deps: billing } = shop.current.app.billing;
  if (!billing) throw new Error('The shop has a Stripe');
  return billing;
}

/** Somebody whose subscription is stored, and confirmed. */
async function subscriber() {
  const userId = await signUp(store);
  const customer = shop.current.customerOf(userId);
  const subscription = shop.current.sell(customer, 'plus');
  await shop.current.deliver();
  return { userId, customer, subscription };
}

type Subscriber = Awaited<ReturnType<typeof subscriber>>;
type Asks = (billing: BillingDeps) => Promise<unknown>;

/** Whoever asks Stripe without being told of an event, which would be applied once more when its process dies. */
const ASKING: Record<string, (one: Subscriber) => Asks | Promise<Asks>> = {
  'a change':
    ({ userId }) =>
    (billing) =>
      changeSubscription(billing, userId, { cancelAtPeriodEnd: false }),
  'a Checkout':
    ({ userId }) =>
    (billing) =>
      openCheckout(billing, { _id: userId, email: '', name: '' }, 'plus'),
  'a reconciliation': () => (billing) => reconcile(billing),
  'the end of an account': async ({ userId, subscription }) => {
    await deleteUser(store, { _id: userId }, LIBRARY);
    await settle(store, [userId]);
    // Its owner has been quicker.
    change(shop.current.server.world, subscription, () => {
      subscription.cancel_at_period_end = true;
    });
    await shop.current.deliver();
    return (billing) => endWithAccounts(billing, keptLog().log);
  },
};

const isWriteOfSync = ({ collection, name }: Command) => collection === 'subscriptions' && name === 'updateOne';

/**
 * A process that asks Stripe while a subscription is dearer for a moment, and dies with its write of that. Just before, another one has been
 * told that it is as it was, and has found it stored so.
 */
async function dieBetween({ subscription }: Subscriber, asks: Asks, fate: 'after' | 'unanswered'): Promise<void> {
  const { server, prices } = shop.current;
  dashboardPrice(server.world, subscription, prices.pro);
  let hasWritten = false;
  const process = asProcess(
    async (command) => {
      if (hasWritten || !isWriteOfSync(command)) return hasWritten ? 'before' : 'lives';
      hasWritten = true;
      dashboardPrice(server.world, subscription, prices.plus);
      await pastGates(() => shop.current.deliver());
      return fate;
    },
    () => asks({ ...deps(), stripe: stripeWithin(server.world) }),
  );
  await process.catch((error: unknown) => {
    if (!(error instanceof Crash) && !(error instanceof Error && error.name.startsWith('Mongo'))) throw error;
  });
  expect(hasWritten).toBe(true);
}

async function dieAfterWriting(run: () => Promise<unknown>): Promise<void> {
  const process = asProcess((command) => (isWriteOfSync(command) ? 'after' : 'lives'), run);
  await expect(process).rejects.toThrow(Crash);
}

/** What the job does, when the minute is over. */
const confirmLater = () => {
  store.clock.advance(MINUTE_MS);
  return confirmSyncs(deps(), keptLog().log);
};

const storedOf = ({ userId }: Subscriber) => subscriptionsOf(store).findOne({ userId });

describe('what a process has written that died before it looked at Stripe once more', () => {
  describe.each(Object.entries(ASKING))('for %s', (_, prepared) => {
    it.each(['after', 'unanswered'] as const)('is looked at by another one, and mended: %s', async (fate) => {
      const one = await subscriber();
      const asks = await prepared(one);
      await dieBetween(one, asks, fate);
      expect(await storedOf(one)).toMatchObject({ tier: 'pro', unconfirmed: expect.any(Date) });
      expect(await confirmLater()).toEqual({ customersConfirmed: 1 });
      expect(await storedOf(one)).toMatchObject({ tier: 'plus' });
      expect((await storedOf(one))?.unconfirmed).toBeUndefined();
      expect(await readUser(store, one.userId)).toMatchObject({ subscriptionTier: 'plus' });
      expect(await confirmLater()).toEqual({ customersConfirmed: 0 });
    });
  });

  it('is left to its process for a minute', async () => {
    const one = await subscriber();
    await dieBetween(one, (billing) => syncCustomer(billing, one.customer), 'after');
    store.clock.advance(MINUTE_MS - 1);
    expect(await confirmSyncs(deps(), keptLog().log)).toEqual({ customersConfirmed: 0 });
  });

  it('is looked at when Stripe is in reach again', async () => {
    const one = await subscriber();
    await dieBetween(one, (billing) => syncCustomer(billing, one.customer), 'after');
    const { server } = shop.current;
    server.faults = failing('GET /v1/subscriptions', 'error', Number.POSITIVE_INFINITY);
    expect(await confirmLater()).toEqual({ customersConfirmed: 0 });
    server.faults = noFaults;
    expect(await confirmLater()).toEqual({ customersConfirmed: 1 });
    expect(await storedOf(one)).toMatchObject({ tier: 'plus' });
  });

  it('holds nobody up where a person has to decide', async () => {
    const one = await subscriber();
    await dieBetween(one, (billing) => syncCustomer(billing, one.customer), 'after');
    const other = await subscriber();
    await dieBetween(other, (billing) => syncCustomer(billing, other.customer), 'after');
    // Another customer of the first one has what counts, and they buy once more.
    await subscriptionsOf(store).updateOne({ userId: one.userId }, { $set: { status: 'canceled' } });
    shop.current.sell(shop.current.customerOf(one.userId), 'plus');
    await shop.current.deliver();
    expect(await confirmLater()).toEqual({ customersConfirmed: 1 });
    expect(await storedOf(other)).toMatchObject({ tier: 'plus' });
    expect(await confirmLater()).toEqual({ customersConfirmed: 0 });
    await expect(syncCustomer(deps(), one.customer)).rejects.toThrow(ArtifexError);
  });

  it('is not confirmed by a look that began before it was written', async () => {
    const one = await subscriber();
    const sync = (billing: BillingDeps) => syncCustomer(billing, one.customer);
    await dieBetween(one, sync, 'after');
    await followSubscription(store, one.userId, LIBRARY);
    const { server, prices } = shop.current;
    dashboardPrice(server.world, one.subscription, prices.pro);
    const look = asProcess(
      async ({ name }): Promise<Fate> => {
        if (name === 'updateMany') {
          dashboardPrice(server.world, one.subscription, prices.plus);
          await pastGates(() => dieAfterWriting(() => sync(deps())));
          dashboardPrice(server.world, one.subscription, prices.pro);
        }
        return 'lives';
      },
      () => sync(deps()),
    );
    await look;
    expect(await storedOf(one)).toMatchObject({ tier: 'plus', unconfirmed: expect.any(Date) });
    expect(await confirmLater()).toEqual({ customersConfirmed: 1 });
    expect(await storedOf(one)).toMatchObject({ tier: 'pro' });
  });

  it('is confirmed by whoever looks next, and then at rest nothing is written', async () => {
    const one = await subscriber();
    await dieBetween(one, (billing) => syncCustomer(billing, one.customer), 'after');
    await syncCustomer(deps(), one.customer);
    expect(await confirmLater()).toEqual({ customersConfirmed: 0 });
    const commands = await commandsDuring(store.connection, () => syncCustomer(deps(), one.customer));
    expect(commands).toEqual(['find']);
  });
});

describe('a sync that writes', () => {
  it('costs two looks and one command more than what it writes: the confirmation', async () => {
    const { customer, subscription } = await subscriber();
    dashboardPrice(shop.current.server.world, subscription, shop.current.prices.pro);
    const calls = shop.current.server.calls.length;
    const commands = await commandsDuring(store.connection, () => syncCustomer(deps(), customer));
    const follows = ['find', 'findAndModify', 'update'];
    expect(commands).toEqual(['find', 'update', ...follows, 'find', 'update']);
    expect(shop.current.server.calls.length - calls).toBe(2);
  });
});

describe('what a developer has written', () => {
  it('is not compared with Stripe', async () => {
    const userId = await signUp(store);
    const subscription = await store.models.Subscription.createFromStripe({
      userId,
      customerId: 'cus_by_hand',
      subscriptionId: 'sub_by_hand',
      status: 'active',
      tier: 'plus',
      currentPeriodEnd: new Date(store.clock.now().getTime() + 30 * 24 * 60 * MINUTE_MS),
    });
    await subscription.upgrade('pro');
    expect(await confirmLater()).toEqual({ customersConfirmed: 0 });
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'pro' });
  });
});
