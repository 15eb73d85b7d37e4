import { Types } from 'mongoose';
import { afterEach, describe, expect, it } from 'vitest';
import { WEBHOOK_EVENTS } from '@/domain/webhooks.ts';
import { KEYS_PATH } from '@/models/encryption/cipher.ts';
import { recordActsOf } from '@/repositories/audit.ts';
import { rotateEncryption } from '@/repositories/rotation.ts';
import {
  createEndpoint,
  deleteEndpoint,
  getEndpoint,
  removeDeletedEndpoints,
} from '@/repositories/webhookEndpoints.ts';
import { useDatabase } from '../support/database.ts';
import { newSubscription, rawSubscriptions, SECRET, storedBytes, storedOf, useKeys } from './support.ts';

const store = useDatabase();
const { Subscription } = store.models;
const rotate = () => rotateEncryption(store, () => {});

afterEach(() => rawSubscriptions(store).deleteMany({}));

/** Subscriptions under the keys that are in use now. */
async function subscriptions(count: number) {
  const given = Array.from({ length: count }, newSubscription);
  const made = await Subscription.insertMany(given);
  return made.map(({ _id }, index) => ({ ...newSubscription(), ...given[index], _id }));
}

async function oneSubscription() {
  const [one] = await subscriptions(1);
  if (!one) throw new Error('One was made');
  return one;
}

/** The collections that are looked into while `action` runs. */
async function lookedInto(action: () => Promise<unknown>): Promise<Set<string>> {
  const names = new Set<string>();
  const note = ({ commandName, command }: { commandName: string; command: Record<string, unknown> }) => {
    if (commandName === 'find') names.add(String(command['find']));
  };
  const client = store.connection.getClient();
  client.on('commandStarted', note);
  await action().finally(() => client.off('commandStarted', note));
  return names;
}

async function keysInUse(): Promise<string[]> {
  const stored = await rawSubscriptions(store).find().toArray();
  const texts = stored.flatMap(({ stripeCustomerId, stripeSubscriptionId, metadata }) =>
    [stripeCustomerId, stripeSubscriptionId, metadata].filter((value) => value !== undefined),
  );
  return [
    ...new Set(texts.map((text) => (typeof text === 'string' ? text.split('.')[2] : undefined) ?? 'clear')),
  ].sort();
}

async function expectAllReadable(given: readonly { stripeSubscriptionId: string }[]): Promise<void> {
  for (const each of given) {
    const { stripeSubscriptionId } = each;
    const found = await Subscription.findOne({ stripeSubscriptionId }).setOptions({ withDeleted: true }).lean();
    expect(found).toMatchObject(each);
  }
}

describe('a rotation', () => {
  it('puts everything under the newest key, so that the old one is needed for nothing', async () => {
    useKeys(store, 'k1');
    const given = await subscriptions(7);
    useKeys(store, 'k2', 'k1');
    const { newest, rotated, refused, remaining } = await rotate();
    expect({ newest, rotated, refused, remaining: remaining.size }).toEqual({
      newest: 'k2',
      rotated: 7,
      refused: [],
      remaining: 0,
    });
    expect(await keysInUse()).toEqual(['k2']);
    useKeys(store, 'k2');
    await expectAllReadable(given);
  });

  it('covers every model with encrypted fields', async () => {
    useKeys(store, 'k1');
    await subscriptions(2);
    const userId = new Types.ObjectId();
    const wanted = { url: 'https://hooks.example.com/a', events: [...WEBHOOK_EVENTS], enabled: true };
    const { endpoint, secret } = await createEndpoint(store, userId, wanted, {
      actor: { kind: 'library' },
      origin: 'https://api.example.com',
    });
    useKeys(store, 'k2', 'k1');
    expect(await rotate()).toMatchObject({ rotated: 3, refused: [], remaining: new Map() });
    useKeys(store, 'k2');
    expect(await getEndpoint(store, userId, endpoint._id)).toMatchObject({ url: wanted.url, secrets: [{ secret }] });
    await deleteEndpoint(store, userId, endpoint._id, { kind: 'library' });
    await recordActsOf(store, userId);
    await removeDeletedEndpoints(store, new Date(store.clock.now().getTime() + 1));
  });

  it('leaves out no model whose collection is encrypted', async () => {
    const marked = store.connection.modelNames().filter((name) =>
      store.connection
        .model(name)
        .schema.indexes()
        .some(([fields]) => KEYS_PATH in fields),
    );
    expect(marked).toEqual(expect.arrayContaining(['Subscription', 'WebhookEndpoint']));
    useKeys(store, 'k1');
    const names = marked.map((name) => store.connection.model(name).collection.name);
    expect(await lookedInto(rotate)).toEqual(new Set(names));
  });

  it('has nothing to do the second time', async () => {
    useKeys(store, 'k1');
    await subscriptions(3);
    useKeys(store, 'k2', 'k1');
    await rotate();
    const before = await rawSubscriptions(store).find().toArray();
    expect((await rotate()).rotated).toBe(0);
    expect(await rawSubscriptions(store).find().toArray()).toEqual(before);
  });

  it('encrypts what was stored in the clear, by this product or before it had a mark for that', async () => {
    useKeys(store);
    const given = await subscriptions(4);
    await rawSubscriptions(store).updateMany(
      { _id: { $in: given.slice(2).map(({ _id }) => _id) } },
      { $unset: { fieldEncryption: 1 } },
    );
    expect(await storedBytes(store)).toContain(SECRET);
    useKeys(store, 'k1');
    expect(await rotate()).toMatchObject({ rotated: 4, remaining: new Map() });
    expect(await storedBytes(store)).not.toContain(SECRET);
    await expectAllReadable(given);
  });

  it('takes deleted subscriptions along, and those that have but a part of what can be encrypted', async () => {
    useKeys(store, 'k1');
    const deleted = await oneSubscription();
    await Subscription.updateOne({ _id: deleted._id }, { isDeleted: true });
    const { stripeCustomerId: _c, stripeSubscriptionId: _s, ...rest } = newSubscription();
    const part = await Subscription.create(rest);
    useKeys(store, 'k2', 'k1');
    expect((await rotate()).rotated).toBe(2);
    expect(await storedOf(store, part._id)).not.toHaveProperty('stripeCustomerId');
    useKeys(store, 'k2');
    await expectAllReadable([deleted]);
  });

  it('changes nothing but what is encrypted', async () => {
    useKeys(store, 'k1');
    const given = await oneSubscription();
    const before = await storedOf(store, given._id);
    useKeys(store, 'k2', 'k1');
    await rotate();
    const after = await storedOf(store, given._id);
    for (const field of ['stripeCustomerId', 'stripeSubscriptionId', 'metadata', 'fieldEncryption']) {
      expect(after[field]).not.toEqual(before[field]);
      delete after[field];
      delete before[field];
    }
    expect(after).toEqual(before);
  });

  it('that is cut off goes on where it was', async () => {
    useKeys(store, 'k1');
    const given = await subscriptions(250);
    useKeys(store, 'k2', 'k1');
    const cut = rotateEncryption(store, (rotated) => {
      if (rotated >= 100) throw new Error('cut off');
    });
    await expect(cut).rejects.toThrow('cut off');
    expect(await keysInUse()).toEqual(['k1', 'k2']);
    await expectAllReadable(given.slice(0, 20));
    expect((await rotate()).rotated).toBe(150);
    expect(await keysInUse()).toEqual(['k2']);
  });

  it('runs beside another one', async () => {
    useKeys(store, 'k1');
    const given = await subscriptions(230);
    useKeys(store, 'k2', 'k1');
    const both = await Promise.all([rotate(), rotate()]);
    expect(both.reduce((sum, { rotated }) => sum + rotated, 0)).toBe(230);
    expect(both.map(({ remaining }) => remaining.size)).toEqual([0, 0]);
    useKeys(store, 'k2');
    await expectAllReadable(given);
  });

  it('undoes nothing that is written beside it, whoever comes first', async () => {
    useKeys(store, 'k1');
    const given = await subscriptions(200);
    useKeys(store, 'k2', 'k1');
    const write = async ({ _id }: { _id: Types.ObjectId }, index: number) => {
      const stripeCustomerId = `cus_${SECRET}Written${index}`;
      const metadata = { written: index };
      if (index % 2 === 0) await Subscription.updateOne({ _id }, { stripeCustomerId, metadata, tier: 'pro' });
      else await Subscription.findByIdAndUpdate(_id, { $set: { stripeCustomerId, metadata, tier: 'pro' } });
    };
    const [rotation] = await Promise.all([rotate(), ...given.map(write)]);
    expect(rotation.remaining.size).toBe(0);
    const last = await rotate();
    expect(last).toMatchObject({ rotated: 0, remaining: new Map() });
    useKeys(store, 'k2');
    await expectAllReadable(
      given.map(({ stripeSubscriptionId }, index) => ({
        stripeSubscriptionId,
        stripeCustomerId: `cus_${SECRET}Written${index}`,
        metadata: { written: index },
        tier: 'pro',
      })),
    );
  });

  it('writes to no document that was changed between its read and its write', async () => {
    useKeys(store, 'k1');
    const given = await oneSubscription();
    useKeys(store, 'k2', 'k1');
    const client = store.connection.getClient();
    const changes: Promise<unknown>[] = [];
    const change = ({ commandName, command }: { commandName: string; command: Record<string, unknown> }) => {
      // The rotation has read the document; before its write another one comes.
      if (commandName !== 'find' || command['find'] !== 'subscriptions' || changes.length > 0) return;
      client.once('commandSucceeded', () => {
        changes.push(Subscription.updateOne({ _id: given._id }, { metadata: { late: true } }).exec());
      });
    };
    client.on('commandStarted', change);
    const rotation = await rotate();
    client.off('commandStarted', change);
    await Promise.all(changes);
    expect(changes).toHaveLength(1);
    expect(rotation.remaining.size).toBe(0);
    expect((await Subscription.findById(given._id).orFail()).metadata).toEqual({ late: true });
  });

  it('says which key is still needed, and leaves what it cannot read as it is', async () => {
    useKeys(store, 'k0');
    const lost = await oneSubscription();
    useKeys(store, 'k1');
    const tampered = await oneSubscription();
    await oneSubscription();
    await rawSubscriptions(store).updateOne(
      { _id: tampered._id },
      { $set: { metadata: 'enc.1.k1.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA' } },
    );
    const before = await storedOf(store, lost._id);
    useKeys(store, 'k2', 'k1');
    const { rotated, refused, remaining } = await rotate();
    expect(rotated).toBe(1);
    expect(refused.map(({ id }) => id).sort()).toEqual([String(lost._id), String(tampered._id)].sort());
    expect(JSON.stringify(refused)).not.toContain(SECRET);
    expect(remaining).toEqual(
      new Map([
        ['k0', 1],
        ['k1', 1],
      ]),
    );
    expect(await storedOf(store, lost._id)).toEqual(before);
  });

  it('names two subscriptions of one Stripe id, which no index could see while one was in the clear', async () => {
    useKeys(store);
    const clear = await oneSubscription();
    useKeys(store, 'k1');
    await Subscription.create({ ...newSubscription(), stripeSubscriptionId: clear.stripeSubscriptionId });
    const { refused, remaining } = await rotate();
    expect(refused).toEqual([
      { model: 'Subscription', id: String(clear._id), reason: expect.stringContaining('Another Subscription') },
    ]);
    expect(remaining).toEqual(new Map([['(clear)', 1]]));
  });

  it('needs a key', async () => {
    useKeys(store);
    await expect(rotate()).rejects.toThrow('FIELD_ENCRYPTION_KEYS');
  });
});
