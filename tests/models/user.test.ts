import { describe, expect, it } from 'vitest';
import { settle } from '@/repositories/settlement.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const { User, AuditEntry, LedgerEntry } = store.models;

async function user(tier: 'free' | 'plus' | 'pro' = 'free') {
  const found = await User.findById(await signUp(store, tier));
  if (!found) throw new Error('The user was just made');
  return found;
}

describe('user.incrementUsage', () => {
  it('charges, and the document shows what the account says', async () => {
    const one = await user();
    await one.incrementUsage(3);
    expect(one).toMatchObject({ monthlyUsage: 3, totalImagesGenerated: 3 });
    expect(one.getRemainingQuota()).toBe(7);
    expect(one.isModified()).toBe(false);
    await settle(store, [one._id]);
    expect(await LedgerEntry.findOne({ userId: one._id })).toMatchObject({ kind: 'charge', credits: 3, balance: 7 });
  });

  it('takes one credit unless told otherwise', async () => {
    const one = await user();
    await one.incrementUsage();
    expect(one.monthlyUsage).toBe(1);
  });

  it('can no more overspend than anything else, whatever stale documents believe', async () => {
    const one = await user();
    const stale = await Promise.all(Array.from({ length: 30 }, () => User.findById(one._id)));
    const outcomes = await Promise.allSettled(stale.map((copy) => copy?.incrementUsage(1)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason.message).toBe('Insufficient quota remaining');
    }
    expect(await readUser(store, one._id)).toMatchObject({ monthlyUsage: 10 });
  });

  it('leaves changes of other fields to be saved, and a later save writes no usage back', async () => {
    const one = await user();
    one.name = 'New name';
    await one.incrementUsage(2);
    const other = await User.findById(one._id);
    await other?.incrementUsage(3);
    await one.save();
    expect(await readUser(store, one._id)).toMatchObject({ name: 'New name', monthlyUsage: 5 });
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d credits', async (credits) => {
    const one = await user();
    await expect(one.incrementUsage(credits)).rejects.toMatchObject({ code: 'validation_failed' });
    expect(await readUser(store, one._id)).toMatchObject({ monthlyUsage: 0 });
  });

  it('is refused for a deleted user', async () => {
    const one = await user();
    await one.softDelete();
    await expect(one.incrementUsage()).rejects.toMatchObject({ code: 'account_deleted' });
  });
});

describe('user.resetMonthlyQuota', () => {
  it('begins the month that is due, once for all who have read it as due', async () => {
    const one = await user();
    await one.incrementUsage(9);
    store.clock.set(new Date(one.quotaResetDate));
    const due = (await User.getUsersToResetQuota()).filter(({ _id }) => _id.equals(one._id));
    const again = (await User.getUsersToResetQuota()).filter(({ _id }) => _id.equals(one._id));
    expect([due.length, again.length]).toEqual([1, 1]);
    for (const copy of due) await copy.resetMonthlyQuota();
    const fresh = await User.findById(one._id);
    await fresh?.incrementUsage(4);
    for (const copy of again) await copy.resetMonthlyQuota();
    const stored = await readUser(store, one._id);
    expect(stored).toMatchObject({ monthlyUsage: 4, periodNumber: 2 });
    expect(stored.quotaResetDate > store.clock.now()).toBe(true);
    await settle(store, [one._id]);
    expect(await LedgerEntry.countDocuments({ userId: one._id, kind: 'reset' })).toBe(1);
    expect(due[0]?.monthlyUsage).toBe(0);
    expect(again[0]?.monthlyUsage).toBe(4);
  });

  it('begins the running month anew when none is due', async () => {
    const one = await user();
    await one.incrementUsage(9);
    await one.resetMonthlyQuota();
    expect(one).toMatchObject({ monthlyUsage: 0, periodNumber: 2 });
    await one.incrementUsage(1);
    await one.resetMonthlyQuota();
    expect(await readUser(store, one._id)).toMatchObject({ monthlyUsage: 0, periodNumber: 3 });
  });

  it('leaves a line in the audit trail', async () => {
    const one = await user();
    await one.resetMonthlyQuota();
    await settle(store, [one._id]);
    expect(await AuditEntry.find({ 'subject.id': one._id }).lean()).toMatchObject([
      { action: 'quota.reset', actor: { kind: 'library' }, subject: { model: 'User' } },
    ]);
  });
});

describe('user.canGenerateImages', () => {
  it('is what remains, also when the month is over and nothing has reset it', async () => {
    const one = await user();
    await one.incrementUsage(9);
    expect([one.canGenerateImages(), one.canGenerateImages(2)]).toEqual([true, false]);
    store.clock.set(new Date(one.quotaResetDate));
    expect(one.canGenerateImages(10)).toBe(true);
    expect(one.canGenerateImages(11)).toBe(false);
  });
});

describe('user.updateSubscription', () => {
  it('changes the tier and its quota at once, and says so in the audit trail', async () => {
    const one = await user();
    await one.updateSubscription('pro');
    expect(one.subscriptionTier).toBe('pro');
    expect(one.getRemainingQuota()).toBe(1000);
    await one.updateSubscription('pro');
    await settle(store, [one._id]);
    expect(await AuditEntry.find({ 'subject.id': one._id }).lean()).toMatchObject([
      { action: 'tier.changed', detail: { from: 'free', to: 'pro' } },
    ]);
  });

  it('knows no other tier', async () => {
    const one = await user();
    await expect(one.updateSubscription(JSON.parse('"gold"'))).rejects.toMatchObject({ code: 'validation_failed' });
  });
});

describe('deleting a user', () => {
  it('hides the account, and restoring shows it with the quota that it had', async () => {
    const one = await user();
    await one.incrementUsage(4);
    await one.softDelete();
    expect(await User.findByClerkId(one.clerkUserId)).toBeNull();
    expect(one).toMatchObject({ isDeleted: true, deletedAt: store.clock.now() });
    await one.restore();
    expect(await User.findByClerkId(one.clerkUserId)).toMatchObject({ monthlyUsage: 4, isDeleted: false });
    await settle(store, [one._id]);
    const trail = await AuditEntry.find({ 'subject.id': one._id }).sort({ _id: 1 }).lean();
    expect(trail.map(({ action }) => action)).toEqual(['user.deleted', 'user.restored']);
  });
});
