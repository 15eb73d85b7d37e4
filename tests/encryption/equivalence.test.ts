import fc from 'fast-check';
import { type mongo, Types } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../support/database.ts';
import { useKeys } from './support.ts';

const store = useDatabase();
const seed = process.env['FC_SEED'] === undefined ? undefined : Number(process.env['FC_SEED']);
const options = { numRuns: 150, ...(seed !== undefined && { seed }) };

const CUSTOMERS = ['cus_a', 'cus_b', 'cus_c'];
const customer = fc.constantFrom<(string | null)[]>(...CUSTOMERS, 'cus_none', null);

/** Any question that may be asked of an encrypted field, beside those of one that is not. */
const condition: fc.Arbitrary<unknown> = fc.oneof(
  customer,
  fc.record({ $eq: customer }),
  fc.record({ $ne: customer }),
  fc.record({ $in: fc.array(customer, { maxLength: 3 }) }),
  fc.record({ $nin: fc.array(customer, { maxLength: 3 }) }),
  fc.record({ $exists: fc.boolean() }),
  fc.record({ $ne: customer, $in: fc.array(customer, { maxLength: 3 }) }),
);
const { filter } = fc.letrec<{ filter: mongo.Document }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ stripeCustomerId: condition }),
    fc.record({ stripeCustomerId: condition, tier: fc.constantFrom('plus', 'pro') }),
    fc.record({ metadata: fc.record({ $exists: fc.boolean() }) }),
    fc.record({ $and: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ $or: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }), stripeCustomerId: condition }),
    fc.record({ $nor: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }) }),
  ),
}));

/** An update of some fields, whole. */
const value = fc.option(fc.constantFrom(...CUSTOMERS), { nil: null });
const update = fc.oneof(
  fc.record({ $set: fc.record({ stripeCustomerId: value }) }),
  fc.record({
    $set: fc.record({ tier: fc.constantFrom('plus', 'pro'), metadata: fc.dictionary(fc.string(), fc.jsonValue()) }),
  }),
  fc.record({ $unset: fc.record({ stripeCustomerId: fc.constant(1) }), $set: fc.record({ tier: fc.constant('pro') }) }),
  fc.record({ $setOnInsert: fc.record({ stripeCustomerId: value }), $set: fc.record({ n: fc.integer() }) }),
);

/** The same documents in the clear, in a collection that knows of no encryption. */
const sealed = () => store.connection.collection('subscriptions');
const clear = () => store.connection.collection('clear');
const byId = { sort: { _id: 1 } as const };

beforeAll(async () => {
  const documents = Array.from({ length: 30 }, (_, index) => ({
    _id: new Types.ObjectId(),
    tier: index % 2 ? 'plus' : 'pro',
    ...(index % 5 !== 4 && { stripeCustomerId: CUSTOMERS[index % 5] ?? null }),
    ...(index % 3 !== 0 && { metadata: { index } }),
  }));
  useKeys(store, 'k1');
  await sealed().insertMany(documents.slice(0, 15));
  useKeys(store, 'k2', 'k1');
  await sealed().insertMany(documents.slice(15));
  await clear().insertMany(documents);
});

describe('encrypted documents, half of them under an older key, answer like plain ones', () => {
  it('every question that may be asked', async () => {
    await fc.assert(
      fc.asyncProperty(filter, async (asked) => {
        const [found, expected] = await Promise.all(
          [sealed(), clear()].map((each) => each.find(asked, byId).toArray()),
        );
        expect(found).toEqual(expected);
        const [aggregated] = await Promise.all([
          sealed()
            .aggregate([{ $match: asked }, { $sort: { _id: 1 } }])
            .toArray(),
        ]);
        expect(aggregated).toEqual(expected);
        expect(await sealed().countDocuments(asked)).toBe(expected?.length);
      }),
      options,
    );
  });

  it('after every update that may be made, upserts included', async () => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(filter, update, fc.boolean(), async (asked, change, upsert) => {
        count += 1;
        // What MongoDB stores of a field that an upsert asks for twice is an error, and ours alone to word.
        const asksOnce = JSON.stringify(asked).split('stripeCustomerId').length <= 2;
        // An upsert makes an id of its own, so it is given one.
        const withId = {
          ...change,
          $setOnInsert: { ...('$setOnInsert' in change && change.$setOnInsert), _id: new Types.ObjectId() },
        };
        const given = { ...byId, upsert: upsert && asksOnce, returnDocument: 'after' as const };
        const [changed, expected] = await Promise.allSettled(
          [sealed(), clear()].map((each) => each.findOneAndUpdate(asked, withId, given)),
        );
        expect(changed?.status).toBe(expected?.status);
        if (expected?.status === 'fulfilled') expect(changed).toEqual(expected);
      }),
      options,
    );
    expect(count).toBeGreaterThanOrEqual(options.numRuns);
    expect(await sealed().find({}, byId).toArray()).toEqual(await clear().find({}, byId).toArray());
  });
});
