import type { CollationOptions, Document } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { useServer } from '../support/server.ts';

const server = useServer();

/** Words in the order that `sort` by the collation gives them. */
const orders: [name: string, collation: CollationOptions, words: string[]][] = [
  ['letters before case', { locale: 'en' }, ['a', 'A', 'b', 'B']],
  ['upper case first', { locale: 'en', caseFirst: 'upper' }, ['A', 'a', 'B', 'b']],
  ['accents before case', { locale: 'en' }, ['cote', 'coté', 'côte', 'côté']],
  ['backwards accents', { locale: 'fr', backwards: true }, ['cote', 'côte', 'coté', 'côté']],
  ['numbers by their value', { locale: 'en', numericOrdering: true }, ['a1', 'a2', 'a10']],
  ['numbers by their digits', { locale: 'en' }, ['a1', 'a10', 'a2']],
  ['Swedish puts its letters last', { locale: 'sv' }, ['a', 'z', 'å', 'ä', 'ö']],
  ['German does not', { locale: 'de' }, ['a', 'ä', 'o', 'ö', 'z']],
  ['Spanish has a letter between n and o', { locale: 'es' }, ['n', 'nz', 'ñ', 'o']],
  ['phone book German', { locale: 'de@collation=phonebook' }, ['ad', 'ä', 'af']],
  ['simple is by bytes', { locale: 'simple' }, ['A', 'B', 'a', 'b']],
];

/** Words that a filter for the first one finds. */
const equal: [name: string, collation: CollationOptions, words: string[], found: string[]][] = [
  ['strength 1: base letters', { locale: 'en', strength: 1 }, ['a', 'A', 'á', 'b'], ['a', 'A', 'á']],
  ['strength 2: accents too', { locale: 'en', strength: 2 }, ['a', 'A', 'á', 'b'], ['a', 'A']],
  ['strength 3: case too', { locale: 'en', strength: 3 }, ['a', 'A', 'á', 'b'], ['a']],
  ['strength 1 and case', { locale: 'en', strength: 1, caseLevel: true }, ['a', 'A', 'á'], ['a', 'á']],
  ['strength 2 and case', { locale: 'en', strength: 2, caseLevel: true }, ['a', 'A', 'á'], ['a']],
  ['alternate shifted', { locale: 'en', alternate: 'shifted' }, ['ab', 'a-b', 'a b', 'ac'], ['ab', 'a-b', 'a b']],
  ['strength 4 sees punctuation', { locale: 'en', alternate: 'shifted', strength: 4 }, ['ab', 'a-b'], ['ab']],
  ['composed and decomposed', { locale: 'en' }, ['\u00e9', 'e\u0301', 'e'], ['\u00e9', 'e\u0301']],
  ['numeric ordering', { locale: 'en', numericOrdering: true }, ['7', '07', '70'], ['7', '07']],
];

describe('reference/collation', () => {
  test.each(orders)('order: %s', async (_name, collation, words) => {
    const collection = server().freshDb().collection('c');
    await collection.insertMany(words.toReversed().map((w) => ({ w })));
    const read = async (): Promise<string[]> =>
      (await collection.find({}, { collation }).sort({ w: 1 }).toArray()).map(({ w }) => w);
    expect(await read()).toEqual(words);
    await collection.createIndex({ w: 1 }, { collation });
    expect(await read()).toEqual(words);
    expect((await collection.find({}, { collation }).sort({ w: -1 }).toArray()).map(({ w }) => w)).toEqual(
      words.toReversed(),
    );
    const range = await collection.find({ w: { $gt: words[0] } }, { collation }).toArray();
    expect(new Set(range.map(({ w }) => w))).toEqual(new Set(words.slice(1)));
  });

  test.each(equal)('equality: %s', async (_name, collation, words, found) => {
    const collection = server().freshDb().collection('c');
    await collection.insertMany(words.map((w) => ({ w, nested: { list: [w] } })));
    const w = words[0] as string;
    for (const filter of [{ w }, { w: { $in: [w, 'zz'] } }, { nested: { list: [w] } }, { $expr: { $eq: ['$w', w] } }]) {
      const docs = await collection.find(filter, { collation }).toArray();
      expect(docs.map((doc) => doc.w)).toEqual(found);
    }
    await collection.createIndex({ w: -1 }, { collation });
    const indexed = await collection.find({ w }, { collation }).toArray();
    expect(new Set(indexed.map((doc) => doc.w))).toEqual(new Set(found));
    expect((await collection.distinct('w', {}, { collation })).length).toBe(words.length - found.length + 1);
    expect(await collection.countDocuments({ w }, { collation })).toBe(found.length);
    const groups = await collection.aggregate([{ $group: { _id: '$w' } }], { collation }).toArray();
    expect(groups.length).toBe(words.length - found.length + 1);
  });

  const insensitive = { locale: 'en', strength: 2 };

  test('writes use it', async () => {
    const collection = server().freshDb().collection('c');
    await collection.insertMany([{ w: 'a' }, { w: 'A' }, { w: 'b', list: ['x', 'X', 'y'] }]);
    const updated = await collection.updateMany({ w: 'A' }, { $set: { n: 1 } }, { collation: insensitive });
    expect(updated.modifiedCount).toBe(2);
    await collection.updateOne({ w: 'B' }, { $pull: { list: 'X' } } as Document, { collation: insensitive });
    expect(await collection.findOne({ w: 'b' })).toMatchObject({ list: ['y'] });
    const [doc] = [await collection.findOneAndUpdate({ w: 'B' }, { $set: { n: 2 } }, { collation: insensitive })];
    expect(doc).toMatchObject({ w: 'b' });
    expect((await collection.deleteMany({ w: 'A' }, { collation: insensitive })).deletedCount).toBe(2);
  });

  test("a collection's default serves commands and indexes that name none; simple resets it", async () => {
    const db = server().freshDb();
    const collection = await db.createCollection('c', { collation: insensitive });
    await collection.insertMany([
      { _id: 'x' as never, w: 'a' },
      { _id: 'y' as never, w: 'A' },
    ]);
    expect(await collection.countDocuments({ w: 'A' })).toBe(2);
    expect(await collection.countDocuments({ w: 'A' }, { collation: { locale: 'simple' } })).toBe(1);
    await expect(collection.insertOne({ _id: 'X' as never })).rejects.toMatchObject({ code: 11000 });
    await collection.createIndex({ w: 1 });
    const [, index] = await collection.indexes();
    expect(index).toMatchObject({ collation: { locale: 'en', strength: 2, caseLevel: false, version: '57.1' } });
    const [listed] = await db.listCollections().toArray();
    expect(listed).toMatchObject({ options: { collation: { locale: 'en', strength: 2 } } });
  });

  test('a unique index of a collation refuses what it takes for equal', async () => {
    const collection = server().freshDb().collection('c');
    await collection.createIndex({ w: 1 }, { unique: true, collation: insensitive });
    await collection.insertOne({ w: 'Ann' });
    await expect(collection.insertOne({ w: 'ANN' })).rejects.toMatchObject({ code: 11000 });
    await collection.insertOne({ w: 'Ann!' });
  });

  test('an index serves only queries of its collation, and others when they compare no strings', async () => {
    const collection = server().freshDb().collection('c');
    await collection.createIndex({ w: 1 }, { collation: insensitive });
    const stage = async (filter: Document, options: Document): Promise<string> => {
      const plan = await collection.find(filter, options).explain('queryPlanner');
      return plan.queryPlanner.winningPlan.stage;
    };
    expect(await stage({ w: 'a' }, { collation: insensitive })).toBe('FETCH');
    expect(await stage({ w: 'a' }, {})).toBe('COLLSCAN');
    expect(await stage({ w: 'a' }, { collation: { locale: 'en' } })).toBe('COLLSCAN');
    expect(await stage({ w: 3 }, {})).toBe('FETCH');
  });

  const refused: [name: string, collation: Document, code: number][] = [
    ['a locale that is none', { locale: 'nowhere' }, 2],
    ['no locale', { strength: 1 }, 40414],
    ['an unknown field', { locale: 'en', colour: 1 }, 40415],
    ['a strength that is none', { locale: 'en', strength: 6 }, 2],
    ['backwards without accents', { locale: 'fr', strength: 1, backwards: true }, 2],
  ];
  test.each(refused)('refused: %s', async (_name, collation, code) => {
    const find = server()
      .freshDb()
      .collection('c')
      .find({}, { collation: collation as CollationOptions });
    await expect(find.toArray()).rejects.toMatchObject({ code });
  });
});
