import { EJSON } from 'bson';
import { type Collection, Decimal128, type Document, Double, Long, MaxKey, MinKey, ObjectId } from 'mongodb';
import { expect, test } from 'vitest';
import { Random, seedOf } from './support/random.ts';
import { useServer } from './support/server.ts';

const server = useServer();

/**
 * An index may only ever make a query cheaper. Random data, random indexes, random queries: what an index delivers is
 * compared with what a scan of the same collection (`hint: {$natural: 1}`) delivers.
 */
const QUERIES = Number(process.env.EMBEDDED_MONGO_QUERIES ?? 3000);
const ROUNDS = Math.max(6, Math.ceil(QUERIES / 500));

const PATHS = ['a', 'a', 'b', 'b', 'c', 'c', 'a.b', 'a.c', 'd.e', 'd.e.f', 'b.0', 'x.0'];
const IDS = Array.from({ length: 4 }, (_, i) => new ObjectId(`65000000000000000000000${i}`));

const COLLATIONS = [
  { locale: 'en', strength: 1 },
  { locale: 'en', strength: 2 },
  { locale: 'en', numericOrdering: true },
  { locale: 'simple' },
];

const COMPOUND_WILDCARDS = [
  { c: 1, 'a.$**': 1 },
  { 'd.$**': -1, b: 1 },
  { b: -1, c: 1, 'a.$**': 1 },
  { c: -1, 'd.e.$**': -1, 'b.0': 1 },
  // With a projection only.
  { '$**': 1, b: 1 },
  { x: -1, '$**': 1 },
];

class Generator {
  readonly random: Random;
  constructor(random: Random) {
    this.random = random;
  }

  scalar(): unknown {
    const { random } = this;
    switch (random.below(16)) {
      case 0:
        return null;
      case 1:
      case 2:
      case 3:
      case 4:
        return random.below(5) - 1;
      case 5:
        return new Double(random.below(4) / 2);
      case 6:
        return Long.fromNumber(random.below(4));
      case 7:
        return Decimal128.fromString(random.pick(['0', '1', '1.5', '2.00', '1E-400', 'NaN', '1E+40']));
      case 8:
      case 9:
        return random.pick(['', 'a', 'ab', 'abc', 'b', 'A', 'aB', 'á', 'a10', 'a9', 'a\0', '\uffff', '😀', '\ud7ff']);
      case 10:
        return random.chance(0.5);
      case 11:
        return new Date(random.pick([-1, 0, 1, -65536, 1_700_000_000_000]));
      case 12:
        return random.pick(IDS);
      case 13:
        return random.pick([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0]);
      case 14:
        return random.chance(0.5) ? random.pick([new MinKey(), new MaxKey()]) : random.below(3);
      default:
        return random.pick([Long.fromString('9007199254740993'), Long.fromString('9007199254740992'), 2 ** 53]);
    }
  }

  value(depth = 0): unknown {
    const roll = this.random.next();
    if (depth < 2 && roll < 0.15) return this.random.list(3, () => this.value(depth + 1));
    if (depth < 2 && roll < 0.28) return this.document(['b', 'c', 'e', 'f', '0'], 2, depth + 1);
    if (depth < 2 && roll < 0.34) return this.random.list(3, () => this.document(['b', 'c', 'e', 'f'], 2, depth + 1));
    return this.scalar();
  }

  document(names: string[], most: number, depth: number): Document {
    const doc: Document = {};
    for (let i = this.random.below(most + 1); i > 0; i--) doc[this.random.pick(names)] = this.value(depth);
    return doc;
  }

  record(): Document {
    const doc = this.document(['a', 'b', 'c', 'd', 'x'], 3, 0);
    for (const name of ['a', 'b', 'c']) if (this.random.chance(0.6)) doc[name] = this.value(0);
    if (this.random.chance(0.4)) doc.d = { e: this.value(0) };
    return doc;
  }

  condition(): unknown {
    const { random } = this;
    switch (random.below(18)) {
      case 0:
      case 1:
      case 2:
        return this.value(1);
      case 3:
        return { $gt: this.value(1) };
      case 4:
        return { $gte: this.value(1) };
      case 5:
        return { $lt: this.value(1) };
      case 6:
        return { $lte: this.value(1) };
      case 7:
        return { $gte: this.scalar(), $lt: this.scalar() };
      case 8:
      case 9:
        return { $in: random.list(4, () => this.value(1)) };
      case 10:
        return { $ne: this.value(1) };
      case 11:
        return { $exists: random.chance(0.5) };
      case 12:
        return { $elemMatch: { $gte: this.scalar(), $lte: this.scalar() } };
      case 13:
        return { $elemMatch: { b: this.condition(), ...(random.chance(0.6) ? { c: this.condition() } : {}) } };
      case 14:
        return random.pick([/^a/, /^ab?/, /b$/, /^(a|b)/, /^a\.?/]);
      case 15:
        return { $not: { $gt: this.scalar() } };
      case 16:
        return random.pick([{ $type: 'number' }, { $type: 'string' }, { $size: 1 }, { $mod: [2, 0] }]);
      default:
        return { $all: [this.value(1), ...random.list(1, () => this.value(1))] };
    }
  }

  filter(depth = 0): Document {
    const { random } = this;
    const filter: Document = {};
    for (let i = random.pick([1, 1, 1, 2, 2, 3]); i > 0; i--) filter[random.pick(PATHS)] = this.condition();
    if (depth < 2 && random.chance(0.2))
      filter[random.pick(['$or', '$and', '$nor'])] = [this.filter(depth + 1), this.filter(depth + 1)];
    return filter;
  }

  /** Mostly an ordinary one. */
  kindOfCollection(): Document {
    const roll = this.random.next();
    if (roll < 0.15) return { clusteredIndex: { key: { _id: 1 }, unique: true } };
    return roll < 0.3 ? { capped: true, size: 100_000, max: 50 } : {};
  }

  /** The key of an index: also hashed and wildcard ones. */
  key(): Document {
    const { random } = this;
    const roll = random.next();
    if (roll < 0.12) return { [random.pick(['$**', '$**', 'a.$**', 'd.$**', 'd.e.$**'])]: random.pick([1, -1]) };
    if (roll < 0.2) return random.pick<Document>(COMPOUND_WILDCARDS);
    const pattern = this.pattern();
    if (roll < 0.32) pattern[random.pick(Object.keys(pattern))] = 'hashed';
    return pattern;
  }

  pattern(): Document {
    const pattern: Document = {};
    for (let i = this.random.below(3) + 1; i > 0; i--) pattern[this.random.pick(PATHS)] = this.random.pick([1, -1]);
    return pattern;
  }

  /** Mostly none; queries and indexes draw from the same few, so that they often agree. */
  collation(): Document {
    if (this.random.chance(0.6)) return {};
    return { collation: this.random.pick(COLLATIONS) };
  }

  indexOptions(): Document {
    return { ...this.collation(), ...this.kindOfIndex() };
  }

  private kindOfIndex(): Document {
    const roll = this.random.next();
    if (roll < 0.15) return { sparse: true };
    if (roll < 0.4) {
      const partialFilterExpression = this.random.pick<Document>([
        { c: { $exists: true } },
        { a: { $gt: 0 } },
        { b: { $gte: 1 }, c: { $exists: true } },
        { 'a.b': { $lte: 2 } },
        { b: { $type: 'string' } },
        { c: 1 },
        { c: { $in: [1, 2] } },
      ]);
      return { partialFilterExpression };
    }
    if (roll < 0.5) return { unique: true };
    if (roll > 0.6) return {};
    // Refused for all but whole wildcard indexes.
    return {
      wildcardProjection: this.random.pick<Document>([
        { a: 1 },
        { 'a.b': 0 },
        { b: 0, x: 0 },
        { 'd.e': 1, c: 1 },
        { a: 0, _id: 1 },
      ]),
    };
  }
}

const shown = (value: unknown): string => EJSON.stringify(value, { relaxed: false });

/** Runs it, or tells with which code it was refused: both ways of running have to agree on that too. */
async function outcome(run: () => Promise<unknown>): Promise<string> {
  try {
    return shown(await run());
  } catch (error) {
    return `error ${String((error as { code?: number }).code)}`;
  }
}

async function populate(collection: Collection<Document>, make: Generator): Promise<void> {
  const indexes = make.random.below(4) + 1;
  const createIndexes = async (): Promise<void> => {
    for (let i = 0; i < indexes; i++) {
      await collection.createIndex(make.key(), make.indexOptions()).catch(() => {});
    }
  };
  // Half of the rounds build their indexes over data, the others keep them up to date from the start.
  const early = make.random.chance(0.5);
  if (early) await createIndexes();
  const docs = Array.from({ length: 60 }, (_, i) => ({ _id: i as never, ...make.record() }));
  await collection.insertMany(docs, { ordered: false }).catch(() => {});
  if (!early) await createIndexes();
}

async function disturb(collection: Collection<Document>, make: Generator): Promise<void> {
  for (let i = 0; i < 10; i++) {
    const filter = { _id: make.random.below(60) as never };
    const change = make.random.pick<Document>([
      { $set: { [make.random.pick(PATHS)]: make.value(1) } },
      { $unset: { [make.random.pick(PATHS)]: '' } },
      { $push: { a: make.value(1) } },
      { $rename: { a: 'c' } },
    ]);
    await collection.updateOne(filter, change).catch(() => {});
  }
  await collection.deleteOne({ _id: make.random.below(60) as never });
  await collection.replaceOne({ _id: make.random.below(60) as never }, make.record(), { upsert: true }).catch(() => {});
}

test('an indexed query and a full scan of the same data never differ', { timeout: 600_000 }, async () => {
  const seed = seedOf('EMBEDDED_MONGO_SEED');
  console.log(`indexed queries: seed ${seed}, ${QUERIES} queries (EMBEDDED_MONGO_SEED, EMBEDDED_MONGO_QUERIES)`);
  const make = new Generator(new Random(seed));
  const db = server().freshDb();
  const seen = { looked: 0, indexed: 0, found: 0, refused: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const collection = await db.createCollection(`round${round}`, make.kindOfCollection());
    await populate(collection, make);
    for (let i = 0; i < QUERIES / ROUNDS; i++) {
      if (i % 40 === 39) await disturb(collection, make);
      const filter = make.filter();
      const sort: Document = make.random.chance(0.5) ? { ...make.pattern(), _id: 1 } : { _id: 1 };
      const limit = make.random.chance(0.3) ? make.random.below(5) + 1 : 0;
      const skip = make.random.chance(0.15) ? make.random.below(4) : 0;
      const collation = make.collation();
      const context = `seed ${seed}, round ${round}, query ${i}: ${shown({ filter, sort, limit, skip, ...collation })}`;
      const options = { projection: { _id: 1 }, promoteValues: false, ...collation };
      const natural = { hint: { $natural: 1 } as Document };
      const scanned = await outcome(() =>
        collection
          .find(filter, { ...options, ...natural })
          .sort(sort)
          .skip(skip)
          .limit(limit)
          .toArray(),
      );
      const indexed = await outcome(() =>
        collection.find(filter, options).sort(sort).skip(skip).limit(limit).toArray(),
      );
      expect(indexed, context).toBe(scanned);
      if (i % 10 === 0) {
        seen.looked += 1;
        if (scanned.startsWith('error')) seen.refused += 1;
        else if (scanned !== '[]') seen.found += 1;
        const plan = await outcome(() => collection.find(filter, options).sort(sort).explain('queryPlanner'));
        if (plan.includes('"IXSCAN"')) seen.indexed += 1;
      }
      // Without a sort of its own the planner is free in the order, not in the set.
      const count = await outcome(() => collection.countDocuments(filter, collation));
      const all = await outcome(
        async () => (await collection.find(filter, { ...options, ...natural }).toArray()).length,
      );
      expect(count, context).toBe(all);
    }
    const { errors } = await db.command({ validate: collection.collectionName });
    expect(errors, `seed ${seed}, round ${round}`).toEqual([]);
  }
  // The comparison says something only if indexes are used and documents found.
  console.log(`of ${seen.looked}: ${seen.indexed} by index, ${seen.found} found something, ${seen.refused} refused`);
  expect(seen.indexed).toBeGreaterThan(seen.looked / 8);
  expect(seen.found).toBeGreaterThan(seen.looked / 8);
});
