import { Types } from 'mongoose';
import { expect } from 'vitest';
import { useKeyring } from '@/encryption/connections.ts';
import { createKeyring, type KeyMaterial } from '@/encryption/keyring.ts';
import type { Subscription } from '@/models/Subscription.ts';
import type { TestStore } from '../support/database.ts';

/** A key of the tests; its bytes follow from its id. */
export const keyOf = (id: string): KeyMaterial => ({
  id,
  key: Buffer.from(id.padEnd(32, '*')).toString('base64'),
});

export function useKeys(store: TestStore, ...ids: string[]): void {
  useKeyring(store.connection, createKeyring(ids.map(keyOf)));
}

/** The word that must never be seen: it stands in every Stripe id and all metadata that the tests store. */
export const SECRET = 'Visible';

let count = 0;

/** A subscription of a new user, ended so that any number may stand side by side. */
export function newSubscription(): Pick<Subscription, 'userId' | 'tier' | 'status' | 'currentPeriodEnd'> & {
  stripeCustomerId: string;
  stripeSubscriptionId: string;
  metadata: Record<string, unknown>;
} {
  count += 1;
  return {
    userId: new Types.ObjectId(),
    tier: 'plus',
    status: 'canceled',
    currentPeriodEnd: new Date('2026-05-01T00:00:00Z'),
    stripeCustomerId: `cus_${SECRET}${count}`,
    stripeSubscriptionId: `sub_${SECRET}${count}`,
    metadata: { note: `${SECRET} note`, at: new Date('2026-01-02T03:04:05Z'), seats: 3, nested: { of: [1, SECRET] } },
  };
}

/** The driver's own collection, which knows of no encryption. */
export function rawSubscriptions({ connection }: TestStore) {
  if (!connection.db) throw new Error('Not connected');
  return connection.db.collection<Stored>('subscriptions');
}

export interface Stored {
  _id: Types.ObjectId;
  stripeCustomerId?: unknown;
  stripeSubscriptionId?: unknown;
  metadata?: unknown;
  fieldEncryption?: { keys: string[]; lookup?: Record<string, string[]> };
  [field: string]: unknown;
}

/** The document as the database holds it. */
export async function storedOf(store: TestStore, _id: unknown): Promise<Stored> {
  const stored = await rawSubscriptions(store).findOne({ _id: new Types.ObjectId(String(_id)) });
  if (!stored) throw new Error(`There is no subscription ${_id}`);
  return stored;
}

/** Every byte of every stored subscription, as text. */
export async function storedBytes(store: TestStore): Promise<string> {
  const documents = await rawSubscriptions(store).find({}, { raw: true }).toArray();
  return documents.map((bytes) => Buffer.from(Object(bytes)).toString('latin1')).join('\n');
}

export async function expectSealed(store: TestStore, _id: unknown, ...fields: (keyof Stored)[]): Promise<void> {
  const stored = await storedOf(store, _id);
  for (const field of fields) expect(stored[field], String(field)).toMatch(/^enc\.1\./);
}
