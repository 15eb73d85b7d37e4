import type { Types } from 'mongoose';
import type Stripe from 'stripe';
import { beforeEach, describe, expect, it } from 'vitest';
import { openCheckout } from '@/billing/checkout.ts';
import { endWithAccounts } from '@/billing/endWithAccount.ts';
import type { BillingDeps } from '@/billing/sync.ts';
import { ArtifexError } from '@/domain/errors.ts';
import { billingAccountsOf } from '@/models/collections.ts';
import { restoreUser } from '@/repositories/accounts.ts';
import { deleteAccount } from '@/workflows/deleteAccount.ts';
import { eraseUser } from '@/workflows/personalData.ts';
import { sweep } from '@/workflows/sweep.ts';
import { keptLog } from '../support/api.ts';
import { useShop } from '../support/billing.ts';
import { clearBooks } from '../support/books.ts';
import { pastGates } from '../support/commandGate.ts';
import { contextOf } from '../support/context.ts';
import { signUp, useDatabase } from '../support/database.ts';
import { asProcess, Crash, type Fate } from '../support/interleave.ts';
import { complete } from '../support/stripe/checkout.ts';
import { failing, noFaults } from '../support/stripe/faults.ts';
import { stripeWithin } from '../support/stripe/within.ts';

const store = useDatabase();
const shop = useShop(store);
const { log } = keptLog();
const ctx = Object.assign(contextOf(store), { log });
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const LEAVING = { kind: 'webhook', id: 'clerk' } as const;

/** One for all that happens in a test, since it remembers idempotency keys. */
let stripe: Stripe;

beforeEach(async () => {
  await Promise.all([clearBooks(store), billingAccountsOf(store).deleteMany({})]);
  stripe = stripeWithin(shop.current.server.world);
});

function deps(): BillingDeps {
  const { deps: billing } = shop.current.app.billing;
  if (!billing) throw new Error('The shop has a Stripe');
  return { ...billing, stripe };
}

/** Of a process that was started when the tier had got another price. */
function dearer(): BillingDeps {
  const { config, ...billing } = deps();
  return { ...billing, config: { ...config, prices: { plus: shop.current.prices.pro.id, pro: undefined } } };
}

const payer = (_id: Types.ObjectId) => ({ _id, email: '', name: '' });
const open = (userId: Types.ObjectId) => openCheckout(deps(), payer(userId), 'plus');
const leave = (userId: Types.ObjectId) => deleteAccount(ctx, { _id: userId }, LEAVING);

/** What runs by itself. */
async function work(billing = deps()) {
  await sweep(ctx, 0);
  return endWithAccounts(billing, log);
}

const sessions = () => [...shop.current.server.world.sessions.values()];
/** Somebody tries every page that there is. */
const pay = () => sessions().map(({ id }) => complete(shop.current.server.world, id));
const isSoldNothing = () => pay().every((sold) => sold === null);

async function guest() {
  const userId = await signUp(store);
  await open(userId);
  return userId;
}

describe('the open Checkout of an account that was deleted', () => {
  it('can be paid on no more, and expires once', async () => {
    const userId = await guest();
    await leave(userId);
    expect(await work()).toEqual({ accountsEnded: 0, checkoutsExpired: 1 });
    expect(sessions()).toMatchObject([{ status: 'expired' }]);
    expect(isSoldNothing()).toBe(true);
    expect(await work()).toEqual({ accountsEnded: 0, checkoutsExpired: 0 });
  });

  it('stays to who comes back before the job has gone round, and another one is opened after it', async () => {
    const userId = await guest();
    await leave(userId);
    await sweep(ctx, 0);
    await restoreUser(store, { _id: userId }, LEAVING);
    expect(await work()).toEqual({ accountsEnded: 0, checkoutsExpired: 0 });
    expect(sessions()).toMatchObject([{ status: 'open' }]);
    await leave(userId);
    await work();
    await restoreUser(store, { _id: userId }, LEAVING);
    await open(userId);
    expect(sessions()).toMatchObject([{ status: 'expired' }, { status: 'open' }]);
  });

  it('expires also where a crash has lost it, and whoever makes it late gets one that has expired', async () => {
    const userId = await signUp(store);
    const { promise: isGone, resolve: go } = Promise.withResolvers<void>();
    const { promise: isHere, resolve: arrive } = Promise.withResolvers<void>();
    const process = asProcess(
      async ({ name }): Promise<Fate> => {
        if (name === 'POST /v1/checkout/sessions') {
          arrive();
          await isGone;
        }
        return 'lives';
      },
      () => open(userId),
    );
    await isHere;
    await leave(userId);
    expect(await work()).toEqual({ accountsEnded: 0, checkoutsExpired: 1 });
    go();
    await process;
    expect(sessions()).toMatchObject([{ status: 'expired' }]);
  });

  it('expires though its tier has got another price since', async () => {
    const userId = await guest();
    await leave(userId);
    expect(await work(dearer())).toEqual({ accountsEnded: 0, checkoutsExpired: 1 });
    expect(sessions()).toMatchObject([{ status: 'expired' }]);
  });

  it('ends what it has sold a moment before', async () => {
    const userId = await guest();
    await leave(userId);
    await sweep(ctx, 0);
    const [sold] = pay();
    await work();
    expect(sold).toMatchObject({ status: 'active', cancel_at_period_end: true });
  });

  it('is owed nothing when its time is over', async () => {
    const userId = await guest();
    store.clock.advance(24 * HOUR_MS);
    await leave(userId);
    await sweep(ctx, 0);
    expect((await billingAccountsOf(store).findOne({ _id: userId }))?.ending).toBeUndefined();
  });

  it('expires when Stripe is in reach again', async () => {
    const { server, app } = shop.current;
    const userId = await guest();
    await leave(userId);
    const { deps: overSockets } = app.billing;
    server.faults = failing('/expire', 'error', Number.POSITIVE_INFINITY);
    expect(await work(overSockets ?? deps())).toEqual({ accountsEnded: 0, checkoutsExpired: 0 });
    server.faults = noFaults;
    store.clock.advance(MINUTE_MS);
    expect(await work(overSockets ?? deps())).toEqual({ accountsEnded: 0, checkoutsExpired: 1 });
  });

  it('is no hindrance where the customer was deleted at Stripe', async () => {
    const userId = await guest();
    for (const customer of shop.current.server.world.customers.values()) customer.deleted = true;
    await leave(userId);
    await work();
    expect(isSoldNothing()).toBe(true);
    expect((await billingAccountsOf(store).findOne({ _id: userId }))?.ending).toBeUndefined();
  });

  it('has expired before the account is erased', async () => {
    const userId = await guest();
    const erasure = () =>
      eraseUser(store, { _id: userId }, { removePicture: async () => {}, actor: { kind: 'admin' } });
    await expect(erasure()).rejects.toThrow(ArtifexError);
    await work();
    await erasure();
    expect(sessions()).toMatchObject([{ status: 'expired' }]);
  });

  it('is refused to who has just been deleted', async () => {
    const userId = await signUp(store);
    await leave(userId);
    await expect(open(userId)).rejects.toMatchObject({ code: 'account_deleted' });
    expect(sessions()).toEqual([]);
  });
});

/** A process whose command of that number does something else first, or does not live. */
async function playedUntil(last: number, run: () => Promise<unknown>, then: () => Promise<Fate>): Promise<boolean> {
  let commands = 0;
  const process = asProcess(async () => {
    commands += 1;
    return commands === last ? pastGates(then) : 'lives';
  }, run);
  await process.catch((error: unknown) => {
    const isExpected = error instanceof Crash || error instanceof ArtifexError;
    if (!isExpected && !(error instanceof Error && error.name.startsWith('Mongo'))) throw error;
  });
  return commands >= last;
}

describe('a Checkout that was begun before its tier has got another price', () => {
  it('makes way for one of today', async () => {
    const userId = await guest();
    await openCheckout(dearer(), payer(userId), 'plus');
    expect(sessions()).toMatchObject([{ status: 'expired' }, { status: 'open' }]);
    const { orders } = shop.current.server.world;
    expect([...orders.values()].at(-1)).toMatchObject({ price: shop.current.prices.pro.id });
  });
});

describe('a Checkout that is asked for while the account is deleted', () => {
  it.each([
    ['for the first time', async () => {}],
    ['once more', (userId: Types.ObjectId) => open(userId)],
    ['for another tier', (userId: Types.ObjectId) => openCheckout(deps(), payer(userId), 'pro')],
  ])('%s leaves no open page behind the job, wherever the two meet', { timeout: 60_000 }, async (_, prepare) => {
    for (let last = 1; ; last += 1) {
      const userId = await signUp(store);
      await prepare(userId);
      const isMet = await playedUntil(
        last,
        () => open(userId),
        async () => {
          await leave(userId);
          await work();
          return 'lives';
        },
      );
      if (!isMet) break;
      // What the job before could not see.
      await work();
      expect(isSoldNothing(), `met at ${last}`).toBe(true);
    }
  });

  it('leaves none where it is asked for at any command of the deletion, its settlement and the job', {
    timeout: 60_000,
  }, async () => {
    for (let last = 1; ; last += 1) {
      const userId = await signUp(store);
      const isMet = await playedUntil(
        last,
        async () => {
          await leave(userId);
          await work();
        },
        async () => {
          await open(userId).catch((error: unknown) => {
            if (!(error instanceof ArtifexError)) throw error;
          });
          return 'lives';
        },
      );
      if (!isMet) break;
      await work();
      expect(isSoldNothing(), `met at ${last}`).toBe(true);
    }
  });
});

describe('a process that dies, or hears no answer, at any command or call', () => {
  it.each(['before', 'after', 'unanswered'] as const)(
    'of the end of an account leaves no open page: %s',
    { timeout: 60_000 },
    async (fault) => {
      for (let last = 1; ; last += 1) {
        const userId = await guest();
        const isMet = await playedUntil(
          last,
          async () => {
            await leave(userId);
            await work();
          },
          async () => fault,
        );
        // Who was not deleted after all still wants to be.
        await leave(userId).catch(() => {});
        store.clock.advance(61 * MINUTE_MS);
        shop.current.server.world.now += 61 * 60;
        await work();
        expect(isSoldNothing(), `${fault} at ${last}`).toBe(true);
        if (!isMet) break;
      }
    },
  );
});
