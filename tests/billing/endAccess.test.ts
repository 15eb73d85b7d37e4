import type { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import type { Act, AuditAction } from '@/domain/audit.ts';
import { auditOf } from '@/models/collections.ts';
import { useShop } from '../support/billing.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import { failing, noFaults } from '../support/stripe/faults.ts';
import { latestChargeOf } from '../support/stripe/invoices.ts';
import { advanceTo, end } from '../support/stripe/lifecycle.ts';
import { dispute, refund } from '../support/stripe/payments.ts';

const store = useDatabase();
const shop = useShop(store);

const MONTH_AND_A_DAY = 32 * 24 * 3_600;

async function subscriber() {
  const userId = await signUp(store);
  const subscription = shop.current.sell(shop.current.customerOf(userId), 'plus');
  await shop.current.deliver();
  return { userId, subscription, charge: latestChargeOf(shop.current.server.world, subscription.id) };
}

/** What the audit trail says of this user's subscription. */
const told = async (userId: Types.ObjectId, action: AuditAction) => {
  const stored = await store.models.Subscription.findOne({ userId });
  if (!stored) throw new Error('Nothing was sold');
  const about = { 'subject.model': 'Subscription', 'subject.id': stored._id };
  const lines = await auditOf(store)
    .find({ action, ...about })
    .toArray();
  return lines.map(({ detail }) => detail).sort(byAmount);
};

const byAmount = (one: Act['detail'], other: Act['detail']) => Number(one?.['amount']) - Number(other?.['amount']);

const reasonsTold = (userId: Types.ObjectId) => told(userId, 'subscription.access_ended');

describe('money that went back', () => {
  it('ends the access when the running period is refunded in full, and the audit trail says why', async () => {
    const { userId, subscription, charge } = await subscriber();
    refund(shop.current.server.world, charge);
    await shop.current.deliver();
    expect(subscription.status).toBe('canceled');
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'free' });
    expect(await reasonsTold(userId)).toEqual([{ reason: 'refund' }]);
  });

  it('ends the access when the payment is disputed, and the audit trail says why', async () => {
    const { userId, subscription, charge } = await subscriber();
    dispute(shop.current.server.world, charge);
    await shop.current.deliver();
    expect(subscription.status).toBe('canceled');
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'free' });
    expect(await reasonsTold(userId)).toEqual([{ reason: 'dispute' }]);
  });

  it('ends nothing when a part is refunded', async () => {
    const { userId, subscription, charge } = await subscriber();
    refund(shop.current.server.world, charge, 1);
    await shop.current.deliver();
    expect(subscription.status).toBe('active');
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'plus' });
    expect(await reasonsTold(userId)).toEqual([]);
  });

  it('stands in the audit trail once for each part that is refunded', async () => {
    const { userId, charge } = await subscriber();
    const { world, sender } = shop.current.server;
    refund(world, charge, 100);
    await shop.current.deliver();
    refund(world, charge, 250);
    await shop.current.deliver();
    for (const event of world.events.values()) if (event.type === 'charge.refunded') await sender.deliver(event);
    await shop.current.app.inbox.drained();
    expect(await told(userId, 'subscription.refunded_in_part')).toEqual([
      { amount: 100, currency: 'usd' },
      { amount: 350, currency: 'usd' },
    ]);
  });

  it('says nothing of an end that Stripe has refused', async () => {
    const { userId, subscription, charge } = await subscriber();
    const { server, app } = shop.current;
    server.faults = failing('DELETE /v1/subscriptions', 'error', Number.POSITIVE_INFINITY);
    refund(server.world, charge);
    await shop.current.deliver();
    expect(await reasonsTold(userId)).toEqual([]);
    // Meanwhile the customer has ended it.
    end(server.world, subscription, 'canceled');
    server.faults = noFaults;
    store.clock.advance(60_000);
    await shop.current.deliver();
    await app.inbox.work();
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'free' });
    expect(await reasonsTold(userId)).toEqual([]);
  });

  it('ends nothing when it was for an older period', async () => {
    const { userId, subscription, charge } = await subscriber();
    const { world } = shop.current.server;
    advanceTo(world, world.now + MONTH_AND_A_DAY);
    store.clock.advance(MONTH_AND_A_DAY * 1_000);
    await shop.current.deliver();
    expect(latestChargeOf(world, subscription.id).id).not.toBe(charge.id);
    refund(world, charge);
    await shop.current.deliver();
    expect(subscription.status).toBe('active');
    expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'plus' });
    expect(await reasonsTold(userId)).toEqual([]);
  });

  it.each(['cut_after', 'error_after'] as const)(
    'ends the access once, and says so once, when the answer meets %s',
    async (fault) => {
      const { userId, subscription, charge } = await subscriber();
      const { server, app } = shop.current;
      // More often than the SDK repeats a call, so that the event itself is tried again.
      server.faults = failing('DELETE /v1/subscriptions', fault, 3);
      refund(server.world, charge);
      await shop.current.deliver();
      store.clock.advance(60_000);
      await app.inbox.work();
      await app.inbox.drained();
      expect(subscription.status).toBe('canceled');
      expect(await readUser(store, userId)).toMatchObject({ subscriptionTier: 'free' });
      expect(await reasonsTold(userId)).toEqual([{ reason: 'refund' }]);
    },
  );
});
