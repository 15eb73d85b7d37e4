import type { Document, IndexDirection } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { useServer } from './support/server.ts';

const server = useServer();

type Key = Record<string, IndexDirection>;

/** The innermost stage of the plan: where documents are found. */
function access(explained: Document): Document {
  let stage = explained.queryPlanner.winningPlan as Document;
  while (stage.inputStage !== undefined) stage = stage.inputStage as Document;
  return stage;
}

describe('what is no index is refused', () => {
  const cases: [string, Key, Document, number][] = [
    ['an unknown kind', { a: 'magic' as never }, {}, 67],
    ['a unique hashed index', { a: 'hashed' }, { unique: true }, 16764],
    ['two hashed fields', { a: 'hashed', b: 'hashed' }, {}, 31303],
    ['two kinds in one', { a: 'hashed', b: '2dsphere' }, {}, 67],
    ['a unique wildcard index', { '$**': 1 }, { unique: true }, 67],
    ['a wildcard index that expires', { '$**': 1 }, { expireAfterSeconds: 5 }, 67],
    ['a hashed wildcard index', { '$**': 'hashed' }, {}, 67],
    ['a projection without a wildcard', { a: 1 }, { wildcardProjection: { a: 1 } }, 2],
    ['a projection of a part', { 'a.$**': 1 }, { wildcardProjection: { b: 1 } }, 2],
    ['an empty projection', { '$**': 1 }, { wildcardProjection: {} }, 9],
    ['a projection that takes and leaves', { '$**': 1 }, { wildcardProjection: { a: 1, b: 0 } }, 31254],
    ['a wildcard beside a field that it holds', { '$**': 1, a: 1 }, {}, 67],
    ['a text weight of 0', { a: 'text' }, { weights: { a: 0 } }, 67],
    ['an unknown language', { a: 'text' }, { default_language: 'klingon' }, 67],
    ['a text index with a collation', { a: 'text' }, { collation: { locale: 'en' } }, 67],
    ['a plane without area', { a: '2d' }, { min: 5, max: 5 }, 72],
  ];
  test.each(cases)('%s', async (_name, key, options, code) => {
    const items = server().freshDb().collection('items');
    await expect(items.createIndex(key, options)).rejects.toMatchObject({ code });
  });
});

describe('core/indexes/index-types/index-hashed', () => {
  test('serves equality, and neither ranges nor an order', async () => {
    const items = server().freshDb().collection<{ a?: unknown }>('items');
    await items.createIndex({ a: 'hashed' });
    await items.insertMany([{ a: 1 }, { a: 'x' }, { a: 2.5 }, {}, { a: null }]);
    const plan = async (filter: Document): Promise<string> => access(await items.find(filter).explain()).stage;
    expect(access(await items.find({ a: 1 }).explain())).toMatchObject({
      stage: 'IXSCAN',
      indexName: 'a_hashed',
      keyPattern: { a: 'hashed' },
    });
    expect(await plan({ a: { $in: [1, 'x'] } })).toBe('IXSCAN');
    expect(await plan({ a: null })).toBe('IXSCAN');
    expect(await plan({ a: { $gt: 0 } })).toBe('COLLSCAN');
    expect(await plan({ a: /x/ })).toBe('COLLSCAN');
    expect(await items.countDocuments({ a: null })).toBe(2);
    expect(await items.countDocuments({ a: { $gt: 0 } })).toBe(2);
    const sorted = await items.find().sort({ a: 1 }).explain();
    expect(sorted.queryPlanner.winningPlan.stage).toBe('SORT');
  });

  test('a compound one serves the fields around the hash', async () => {
    const items = server().freshDb().collection<{ _id: number; a: number; b: string; c: number }>('items');
    await items.createIndex({ a: 1, b: 'hashed', c: -1 });
    await items.insertMany(Array.from({ length: 50 }, (_, i) => ({ _id: i, a: i % 5, b: `b${i % 2}`, c: i })));
    const found = items.find({ a: 3, b: 'b1' }).sort({ c: -1 });
    expect((await found.clone().toArray()).map(({ _id }) => _id)).toEqual([43, 33, 23, 13, 3]);
    const explained = await found.explain('executionStats');
    expect(explained.queryPlanner.winningPlan.stage).toBe('FETCH');
    expect(explained.executionStats.totalKeysExamined).toBe(5);
  });

  test.each([
    ['in the field', { a: [1] }],
    ['on the way to it', { a: [{ b: 1 }] }],
  ])('an array %s is refused', async (_name, doc) => {
    const items = server().freshDb().collection('items');
    await items.createIndex({ ['b' in Object(doc.a[0]) ? 'a.b' : 'a']: 'hashed' });
    await expect(items.insertOne(doc)).rejects.toMatchObject({ code: 16766 });
    expect(await items.countDocuments()).toBe(0);
  });
});

describe('core/indexes/index-types/index-wildcard', () => {
  test('serves one field of any name', async () => {
    const items = server().freshDb().collection<Document>('items');
    await items.createIndex({ 'data.$**': 1 });
    await items.insertMany(
      Array.from({ length: 40 }, (_, i) => ({ data: { n: i, tags: [`t${i}`, 'all'], deep: { er: i % 4 } }, other: i })),
    );
    const used = async (filter: Document): Promise<Document> => access(await items.find(filter).explain());
    expect(await used({ 'data.n': { $gte: 5, $lt: 7 } })).toMatchObject({
      stage: 'IXSCAN',
      indexName: 'data.$**_1',
      keyPattern: { $_path: 1, 'data.n': 1 },
      isMultiKey: false,
    });
    expect(await used({ 'data.tags': 't3' })).toMatchObject({ stage: 'IXSCAN', isMultiKey: true });
    expect((await used({ 'data.deep': { $exists: true } })).stage).toBe('IXSCAN');
    for (const filter of [
      { other: 1 },
      { 'data.n': null },
      { 'data.n': { $exists: false } },
      { 'data.deep': { er: 1 } },
      { 'data.tags.0': 't3' },
    ]) {
      expect((await used(filter)).stage, JSON.stringify(filter)).toBe('COLLSCAN');
    }
    const range = await items.find({ 'data.n': { $gte: 5, $lt: 7 } }).explain('executionStats');
    expect(range.executionStats).toMatchObject({ nReturned: 2, totalKeysExamined: 2 });
    const sorted = await items
      .find({ 'data.n': { $gte: 0 } })
      .sort({ 'data.n': -1 })
      .explain();
    expect(sorted.queryPlanner.winningPlan.stage).toBe('FETCH');
    await expect(items.find({}).hint('data.$**_1').toArray()).rejects.toMatchObject({ code: 291 });
  });

  test('a projection says which fields, and the _id only when it says so', async () => {
    const items = server().freshDb().collection<Document>('items');
    await items.createIndex({ '$**': 1 }, { wildcardProjection: { a: 1, 'b.c': 1 } });
    await items.insertOne({ a: { x: 1 }, b: { c: 2, d: 3 } });
    const stage = async (filter: Document): Promise<string> => access(await items.find(filter).explain()).stage;
    expect(await stage({ 'a.x': 1 })).toBe('IXSCAN');
    expect(await stage({ 'b.c': 2 })).toBe('IXSCAN');
    expect(await stage({ 'b.d': 3 })).toBe('COLLSCAN');
    expect(await stage({ b: 3 })).toBe('COLLSCAN');
    const [, index] = await items.indexes();
    expect(index).toEqual({ v: 2, key: { '$**': 1 }, name: '$**_1', wildcardProjection: { a: 1, 'b.c': 1 } });
  });
});

test('a compound wildcard index serves its first fields, alone and with a field of any name', async () => {
  const items = server().freshDb().collection<Document>('items');
  await items.createIndex({ tenant: 1, 'attrs.$**': 1, at: -1 });
  await items.insertMany(
    Array.from({ length: 60 }, (_, i) => ({ tenant: i % 3, attrs: { n: i, [`k${i % 2}`]: 1 }, at: i })),
  );
  const both = await items.find({ tenant: 1, 'attrs.n': { $lt: 10 } }).explain('executionStats');
  expect(access(both)).toMatchObject({
    stage: 'IXSCAN',
    keyPattern: { tenant: 1, $_path: 1, 'attrs.n': 1, at: -1 },
  });
  expect(both.executionStats).toMatchObject({ nReturned: 3, totalKeysExamined: 3 });
  expect(access(await items.find({ tenant: 2 }).explain()).stage).toBe('IXSCAN');
  expect(await items.countDocuments({ tenant: 2 })).toBe(20);
  expect(access(await items.find({ 'attrs.n': 5 }).explain()).stage).toBe('COLLSCAN');
  await items.insertOne({ tenant: 7 });
  expect(await items.countDocuments({ tenant: 7 })).toBe(1);
  await expect(items.createIndex({ 'attrs.n': 1, 'attrs.$**': 1 })).rejects.toMatchObject({ code: 67 });
});

describe('text and geo indexes are declared: listed, and never a reason for a wrong result', () => {
  test('a text index is listed with weights and languages', async () => {
    const posts = server().freshDb().collection('posts');
    await posts.createIndex({ title: 'text', at: 1, body: 'text' }, { weights: { title: 5 }, name: 'search' });
    expect((await posts.indexes())[1]).toEqual({
      v: 2,
      key: { _fts: 'text', _ftsx: 1, at: 1 },
      name: 'search',
      weights: { body: 1, title: 5 },
      default_language: 'english',
      language_override: 'language',
      textIndexVersion: 3,
    });
    await posts.createIndex({ title: 'text', at: 1, body: 'text' }, { weights: { title: 5 }, name: 'search' });
    await expect(posts.createIndex({ other: 'text' })).rejects.toMatchObject({ code: 67 });
    await posts.insertOne({ title: 'a', at: 1 });
    expect(access(await posts.find({ at: 1 }).explain()).stage).toBe('COLLSCAN');
    expect(await posts.countDocuments({ at: 1 })).toBe(1);
    await expect(posts.find({ $text: { $search: 'a' } }).toArray()).rejects.toMatchObject({ code: 238 });
  });

  test('geo indexes take geometries and refuse what is none', async () => {
    const places = server().freshDb().collection<Document>('places');
    await places.createIndex({ at: '2dsphere' });
    await places.createIndex({ flat: '2d' });
    expect((await places.indexes()).slice(1)).toEqual([
      { v: 2, key: { at: '2dsphere' }, name: 'at_2dsphere', '2dsphereIndexVersion': 3 },
      { v: 2, key: { flat: '2d' }, name: 'flat_2d' },
    ]);
    const square = [
      [0, 0],
      [0, 1],
      [1, 1],
      [0, 0],
    ];
    await places.insertMany([
      {},
      { at: null },
      { at: { type: 'Point', coordinates: [10, 50] }, flat: [1, 2] },
      { at: { type: 'Polygon', coordinates: [square] } },
      { at: [10, 50], flat: { x: 1, y: 2 } },
      { at: { lng: 10, lat: 50 } },
    ]);
    for (const at of [
      'here',
      7,
      { type: 'Point', coordinates: [200, 0] },
      { type: 'Point' },
      { type: 'Sphere', coordinates: [0, 0] },
      { type: 'Polygon', coordinates: [square.slice(0, 3)] },
    ]) {
      await expect(places.insertOne({ at }), JSON.stringify(at)).rejects.toMatchObject({ code: 16755 });
    }
    await expect(places.insertOne({ flat: [500, 0] })).rejects.toMatchObject({ code: 13027 });
    expect(await places.countDocuments()).toBe(6);
    for (const operator of ['$near', '$geoWithin', '$geoIntersects']) {
      await expect(places.find({ at: { [operator]: {} } }).toArray()).rejects.toMatchObject({ code: 238 });
    }
  });
});
