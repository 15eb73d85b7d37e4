import { EJSON } from 'bson';
import { Decimal128, type Document, Double, Long } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { useServer } from '../support/server.ts';

const server = useServer();

interface Options {
  filter?: Document;
  arrayFilters?: Document[];
}
type Case = [name: string, before: Document, update: Document | Document[], after: Document, options?: Options];

const typed = (doc: unknown): unknown => JSON.parse(EJSON.stringify(doc, { relaxed: false }));

/** A document, an update, and the document afterwards: with types, and with the order of its fields. */
function cases(page: string, list: Case[]): void {
  describe(page, () => {
    test.each(list)('%s', async (_name, before, update, after, options = {}) => {
      const collection = server().freshDb().collection<Document>('c');
      await collection.insertOne({ _id: 1, ...before } as Document);
      const { filter = {}, ...rest } = options;
      const result = await collection.updateOne({ _id: 1, ...filter } as Document, update, rest);
      const stored = await collection.findOne({}, { promoteValues: false });
      expect(typed(stored)).toEqual(typed({ _id: 1, ...after }));
      expect(EJSON.stringify(stored)).toBe(EJSON.stringify({ _id: 1, ...after }));
      const changes = EJSON.stringify(before, { relaxed: false }) !== EJSON.stringify(after, { relaxed: false });
      expect(result).toMatchObject({ matchedCount: 1, modifiedCount: changes ? 1 : 0 });
    });
  });
}

function refused(
  page: string,
  list: [name: string, before: Document, update: Document | Document[], code: number, options?: Options][],
): void {
  describe(`${page} (refused)`, () => {
    test.each(list)('%s', async (_name, before, update, code, options = {}) => {
      const collection = server().freshDb().collection<Document>('c');
      await collection.insertOne({ _id: 1, ...before } as Document);
      const { filter = {}, ...rest } = options;
      await expect(collection.updateOne({ _id: 1, ...filter } as Document, update, rest)).rejects.toMatchObject({
        code,
      });
      expect(await collection.findOne()).toEqual({ _id: 1, ...before });
    });
  });
}

const long = (value: number | string): Long => Long.fromString(String(value));

cases('reference/operator/update/set', [
  ['a new field at the end', { b: 1 }, { $set: { a: 2 } }, { b: 1, a: 2 }],
  ['an existing one in its place', { a: 1, b: 2 }, { $set: { a: 3 } }, { a: 3, b: 2 }],
  ['new fields in order of their names', {}, { $set: { c: 1, a: 2, b: 3 } }, { a: 2, b: 3, c: 1 }],
  ['numeric names by their value', { x: {} }, { $set: { 'x.10': 1, 'x.9': 2 } }, { x: { 9: 2, 10: 1 } }],
  ['a path creates documents', {}, { $set: { 'a.b.c': 1 } }, { a: { b: { c: 1 } } }],
  ['an element of an array', { a: [1, 2] }, { $set: { 'a.1': 5 } }, { a: [1, 5] }],
  ['beyond the end pads with null', { a: [1] }, { $set: { 'a.3': 5 } }, { a: [1, null, null, 5] }],
  ['a field of an element', { a: [{ b: 1 }] }, { $set: { 'a.0.b': 2 } }, { a: [{ b: 2 }] }],
  ['the same value changes nothing', { a: 1 }, { $set: { a: 1 } }, { a: 1 }],
  ['the same number of another type is a change', { a: 1 }, { $set: { a: new Double(1) } }, { a: new Double(1) }],
  ['a whole document replaces', { a: { x: 1 } }, { $set: { a: { y: 2 } } }, { a: { y: 2 } }],
  ['nothing', { a: 1 }, { $set: {} }, { a: 1 }],
]);

cases('reference/operator/update/unset, rename', [
  ['$unset', { a: 1, b: 2 }, { $unset: { a: '' } }, { b: 2 }],
  ['$unset of what is not there', { a: 1 }, { $unset: { 'x.y': '' } }, { a: 1 }],
  ['$unset of an element leaves null', { a: [1, 2, 3] }, { $unset: { 'a.1': '' } }, { a: [1, null, 3] }],
  ['$unset within a scalar does nothing', { a: 1 }, { $unset: { 'a.b': '' } }, { a: 1 }],
  ['$rename', { a: 1, b: 2 }, { $rename: { a: 'c' } }, { b: 2, c: 1 }],
  ['$rename onto an existing field', { a: 1, c: 2 }, { $rename: { a: 'c' } }, { c: 1 }],
  ['$rename into a document', { a: 1 }, { $rename: { a: 'x.y' } }, { x: { y: 1 } }],
  ['$rename of what is not there', { b: 1 }, { $rename: { a: 'c' } }, { b: 1 }],
]);

cases('reference/operator/update/inc, mul', [
  ['ints', { a: 1 }, { $inc: { a: 2 } }, { a: 3 }],
  ['missing starts from the operand', {}, { $inc: { a: 2 } }, { a: 2 }],
  ['int overflows to long', { a: 2147483647 }, { $inc: { a: 1 } }, { a: long(2147483648) }],
  ['long', { a: long('9007199254740993') }, { $inc: { a: 1 } }, { a: long('9007199254740994') }],
  ['int and long', { a: 1 }, { $inc: { a: long(1) } }, { a: long(2) }],
  ['int and double', { a: 1 }, { $inc: { a: 0.5 } }, { a: 1.5 }],
  ['double stays double', { a: new Double(1) }, { $inc: { a: 1 } }, { a: new Double(2) }],
  [
    'decimal',
    { a: Decimal128.fromString('0.1') },
    { $inc: { a: Decimal128.fromString('0.2') } },
    { a: Decimal128.fromString('0.3') },
  ],
  ['int and decimal', { a: 1 }, { $inc: { a: Decimal128.fromString('0.5') } }, { a: Decimal128.fromString('1.5') }],
  ['by zero changes nothing', { a: 1 }, { $inc: { a: 0 } }, { a: 1 }],
  ['$mul', { a: 3 }, { $mul: { a: 4 } }, { a: 12 }],
  ['$mul of missing is zero of the type', {}, { $mul: { a: long(4) } }, { a: long(0) }],
  ['$mul overflows to long', { a: 2147483647 }, { $mul: { a: 2 } }, { a: long(4294967294) }],
]);

cases('reference/operator/update/min, max, bit', [
  ['$min', { a: 5 }, { $min: { a: 3 } }, { a: 3 }],
  ['$min that is larger', { a: 5 }, { $min: { a: 7 } }, { a: 5 }],
  ['$max', { a: 5 }, { $max: { a: 7 } }, { a: 7 }],
  ['$max across types', { a: 5 }, { $max: { a: 'x' } }, { a: 'x' }],
  ['$max of missing', {}, { $max: { a: 1 } }, { a: 1 }],
  ['$max of an equal number keeps the old one', { a: 5 }, { $max: { a: new Double(5) } }, { a: 5 }],
  ['$bit and', { a: 13 }, { $bit: { a: { and: 10 } } }, { a: 8 }],
  ['$bit or', { a: 3 }, { $bit: { a: { or: 5 } } }, { a: 7 }],
  ['$bit xor', { a: 1 }, { $bit: { a: { xor: 5 } } }, { a: 4 }],
]);

cases('reference/operator/update/push', [
  ['one', { a: [1] }, { $push: { a: 2 } }, { a: [1, 2] }],
  ['to a missing field', {}, { $push: { a: 2 } }, { a: [2] }],
  ['an array as one element', { a: [1] }, { $push: { a: [2, 3] } }, { a: [1, [2, 3]] }],
  ['$each', { a: [1] }, { $push: { a: { $each: [2, 3] } } }, { a: [1, 2, 3] }],
  ['$position', { a: [1, 2] }, { $push: { a: { $each: [9], $position: 1 } } }, { a: [1, 9, 2] }],
  ['$position from the end', { a: [1, 2, 3] }, { $push: { a: { $each: [9], $position: -1 } } }, { a: [1, 2, 9, 3] }],
  ['$slice keeps the first', { a: [1, 2] }, { $push: { a: { $each: [3], $slice: 2 } } }, { a: [1, 2] }],
  ['$slice keeps the last', { a: [1, 2] }, { $push: { a: { $each: [3], $slice: -2 } } }, { a: [2, 3] }],
  ['$sort', { a: [3, 1] }, { $push: { a: { $each: [2], $sort: 1 } } }, { a: [1, 2, 3] }],
  [
    '$sort by a field',
    { a: [{ s: 1 }] },
    { $push: { a: { $each: [{ s: 2 }], $sort: { s: -1 } } } },
    { a: [{ s: 2 }, { s: 1 }] },
  ],
  ['sort, then slice', { a: [5, 1] }, { $push: { a: { $slice: 2, $each: [3], $sort: 1 } } }, { a: [1, 3] }],
  ['$each of nothing makes an empty array', {}, { $push: { a: { $each: [] } } }, { a: [] }],
]);

cases('reference/operator/update/addToSet, pull, pullAll, pop', [
  ['$addToSet', { a: [1] }, { $addToSet: { a: 2 } }, { a: [1, 2] }],
  ['$addToSet of what is there', { a: [1] }, { $addToSet: { a: 1 } }, { a: [1] }],
  ['$addToSet by value, not type', { a: [1] }, { $addToSet: { a: new Double(1) } }, { a: [1] }],
  ['$addToSet with $each', { a: [1] }, { $addToSet: { a: { $each: [1, 2, 2] } } }, { a: [1, 2] }],
  [
    '$addToSet by field order',
    { a: [{ x: 1, y: 2 }] },
    { $addToSet: { a: { y: 2, x: 1 } } },
    {
      a: [
        { x: 1, y: 2 },
        { y: 2, x: 1 },
      ],
    },
  ],
  ['$pull a value', { a: [1, 2, 1] }, { $pull: { a: 1 } }, { a: [2] }],
  ['$pull by operators', { a: [1, 5, 9] }, { $pull: { a: { $gte: 5 } } }, { a: [1] }],
  ['$pull by fields', { a: [{ x: 1, y: 1 }, { x: 2 }] }, { $pull: { a: { x: 1 } } }, { a: [{ x: 2 }] }],
  ['$pull by an expression', { a: ['ab', 'b'] }, { $pull: { a: /^a/ } }, { a: ['b'] }],
  ['$pull with $in', { a: [1, 2, 3] }, { $pull: { a: { $in: [1, 3] } } }, { a: [2] }],
  ['$pull from a missing field', { b: 1 }, { $pull: { a: 1 } }, { b: 1 }],
  ['$pullAll', { a: [1, 2, 3, 1] }, { $pullAll: { a: [1, 3] } }, { a: [2] }],
  ['$pop last', { a: [1, 2] }, { $pop: { a: 1 } }, { a: [1] }],
  ['$pop first', { a: [1, 2] }, { $pop: { a: -1 } }, { a: [2] }],
  ['$pop of nothing', { a: [] }, { $pop: { a: 1 } }, { a: [] }],
]);

cases('reference/operator/update/positional', [
  [
    '$ is the element that matched',
    { a: [1, 5, 9] },
    { $set: { 'a.$': 0 } },
    { a: [1, 0, 9] },
    { filter: { a: { $gt: 3 } } },
  ],
  [
    '$ in documents',
    {
      a: [
        { k: 1, v: 1 },
        { k: 2, v: 1 },
      ],
    },
    { $inc: { 'a.$.v': 5 } },
    {
      a: [
        { k: 1, v: 1 },
        { k: 2, v: 6 },
      ],
    },
    { filter: { 'a.k': 2 } },
  ],
  [
    '$ with $elemMatch',
    {
      a: [
        { k: 1, v: 2 },
        { k: 2, v: 2 },
      ],
    },
    { $set: { 'a.$.v': 0 } },
    {
      a: [
        { k: 1, v: 2 },
        { k: 2, v: 0 },
      ],
    },
    { filter: { a: { $elemMatch: { k: 2, v: 2 } } } },
  ],
  ['$[] is all of them', { a: [1, 2] }, { $inc: { 'a.$[]': 1 } }, { a: [2, 3] }],
  [
    '$[] nested',
    { a: [{ b: [1] }, { b: [2, 3] }] },
    { $mul: { 'a.$[].b.$[]': 2 } },
    { a: [{ b: [2] }, { b: [4, 6] }] },
  ],
  [
    '$[id] are those that pass',
    { a: [1, 5, 9] },
    { $set: { 'a.$[big]': 0 } },
    { a: [1, 0, 0] },
    { arrayFilters: [{ big: { $gt: 3 } }] },
  ],
  [
    '$[id] by a field',
    { a: [{ k: 1 }, { k: 2 }] },
    { $set: { 'a.$[x].v': 1 } },
    { a: [{ k: 1 }, { k: 2, v: 1 }] },
    { arrayFilters: [{ 'x.k': 2 }] },
  ],
  [
    'two filters',
    { a: [{ b: [1, 2] }, { b: [2] }] },
    { $set: { 'a.$[x].b.$[y]': 0 } },
    { a: [{ b: [1, 0] }, { b: [0] }] },
    { arrayFilters: [{ 'x.b': { $exists: true } }, { y: 2 }] },
  ],
]);

refused('reference/operator/update', [
  ['two changes of one field', {}, { $set: { a: 1 }, $inc: { a: 1 } }, 40],
  ['a field and one within it', {}, { $set: { a: {}, 'a.b': 1 } }, 40],
  ['a rename and a change of its target', { a: 1 }, { $rename: { a: 'b' }, $set: { b: 1 } }, 40],
  ['another _id', {}, { $set: { _id: 2 } }, 66],
  ['$unset of the _id', {}, { $unset: { _id: '' } }, 66],
  ['a field in a scalar', { a: 1 }, { $set: { 'a.b': 1 } }, 28],
  ['a name in an array', { a: [] }, { $set: { 'a.b': 1 } }, 28],
  ['$inc of a string', { a: 'x' }, { $inc: { a: 1 } }, 14],
  ['$inc by a string', {}, { $inc: { a: 'x' } }, 14],
  ['$inc beyond the longs', { a: long('9223372036854775807') }, { $inc: { a: long(1) } }, 2],
  ['$push to a scalar', { a: 1 }, { $push: { a: 1 } }, 2],
  ['$push with an unknown clause', {}, { $push: { a: { $each: [], $foo: 1 } } }, 2],
  ['$pop from a scalar', { a: 1 }, { $pop: { a: 1 } }, 14],
  ['$pop by two', { a: [1] }, { $pop: { a: 2 } }, 9],
  ['$pull from a scalar', { a: 1 }, { $pull: { a: 1 } }, 2],
  ['an unknown operator', {}, { $foo: { a: 1 } }, 9],
  ['an operator with a scalar', {}, { $set: 5 }, 9],
  ['$ without a match', { a: [1] }, { $set: { 'a.$': 1 } }, 2],
  ['$[] on a missing field', {}, { $set: { 'a.$[]': 1 } }, 2],
  ['$[] on a scalar', { a: 1 }, { $set: { 'a.$[]': 1 } }, 2],
  ['an identifier without a filter', { a: [1] }, { $set: { 'a.$[x]': 1 } }, 2],
  ['a filter that is not used', { a: [1] }, { $set: { b: 1 } }, 9, { arrayFilters: [{ x: 1 }] }],
  ['two filters of one name', { a: [1] }, { $set: { 'a.$[x]': 1 } }, 9, { arrayFilters: [{ x: 1 }, { x: 2 }] }],
  ['an empty field name', {}, { $set: { 'a..b': 1 } }, 56],
  ['a name with a dollar', {}, { $set: { $a: 1 } }, 52],
  ['$rename to itself', { a: 1 }, { $rename: { a: 'a' } }, 2],
  ['a stage that is not for updates', {}, [{ $match: { a: 1 } }], 72],
  ['a pipeline that changes the _id', {}, [{ $set: { _id: 2 } }], 66],
]);

cases('tutorial/update-documents-with-aggregation-pipeline', [
  ['a computed field', { a: 2 }, [{ $set: { b: { $multiply: ['$a', 3] } } }], { a: 2, b: 6 }],
  [
    'stages see the ones before',
    { a: 1 },
    [{ $set: { b: { $add: ['$a', 1] } } }, { $set: { c: { $add: ['$b', 1] } } }],
    { a: 1, b: 2, c: 3 },
  ],
  ['fields of one stage do not see each other', { a: 1 }, [{ $set: { a: 5, b: '$a' } }], { a: 5, b: 1 }],
  ['a nested document merges', { a: { x: 1, y: 2 } }, [{ $set: { a: { x: 5 } } }], { a: { x: 5, y: 2 } }],
  ['a dotted path', { a: { x: 1 } }, [{ $set: { 'a.y': 2 } }], { a: { x: 1, y: 2 } }],
  ['a path over a scalar replaces it', { a: 5 }, [{ $set: { 'a.y': 2 } }], { a: { y: 2 } }],
  ['into each element of an array', { a: [{ x: 1 }, 2] }, [{ $set: { 'a.y': 3 } }], { a: [{ x: 1, y: 3 }, { y: 3 }] }],
  ['a missing value is not set', { a: 1 }, [{ $set: { b: '$nothing' } }], { a: 1 }],
  ['a missing value removes what was there', { a: 1, b: 2 }, [{ $set: { b: '$nothing' } }], { a: 1 }],
  ['$$REMOVE', { a: 1, b: 2 }, [{ $set: { a: '$$REMOVE' } }], { b: 2 }],
  [
    '$$REMOVE under a condition',
    { a: 1, b: 2 },
    [{ $set: { a: { $cond: [{ $eq: ['$b', 2] }, '$$REMOVE', '$a'] } } }],
    { b: 2 },
  ],
  ['$literal', { a: 1 }, [{ $set: { a: { $literal: '$b' } } }], { a: '$b' }],
  ['$unset', { a: 1, b: { c: 1, d: 2 } }, [{ $unset: ['a', 'b.c'] }], { b: { d: 2 } }],
  ['$project', { a: 1, b: 2 }, [{ $project: { b: 1 } }], { b: 2 }],
  ['$replaceWith keeps the _id', { a: { x: 1 } }, [{ $replaceWith: '$a' }], { x: 1 }],
  ['$replaceRoot', { a: 1 }, [{ $replaceRoot: { newRoot: { $mergeObjects: ['$$ROOT', { b: 2 }] } } }], { a: 1, b: 2 }],
  ['nothing new', { a: 1 }, [{ $set: { a: '$a' } }], { a: 1 }],
  ['types of results', { a: 1, l: long(1) }, [{ $set: { a: { $add: ['$a', '$l'] } } }], { a: long(2), l: long(1) }],
  [
    'a window that begins anew',
    { used: 5, resets: new Date(1000) },
    [
      { $set: { due: { $lte: ['$resets', new Date(2000)] } } },
      {
        $set: {
          used: { $cond: ['$due', 0, '$used'] },
          resets: { $cond: ['$due', { $dateAdd: { startDate: '$resets', unit: 'month', amount: 1 } }, '$resets'] },
        },
      },
      { $unset: 'due' },
    ],
    { used: 0, resets: new Date(Date.UTC(1970, 1, 1, 0, 0, 1)) },
  ],
]);

describe('reference/method/db.collection.replaceOne', () => {
  test('keeps the _id and puts it first', async () => {
    const collection = server().freshDb().collection<Document>('c');
    await collection.insertOne({ _id: 1, a: 1 } as Document);
    expect(await collection.replaceOne({ a: 1 }, { b: 2 })).toMatchObject({ modifiedCount: 1 });
    expect(await collection.findOne()).toEqual({ _id: 1, b: 2 });
    expect(await collection.replaceOne({}, { b: 2 })).toMatchObject({ matchedCount: 1, modifiedCount: 0 });
    await expect(collection.replaceOne({}, { _id: 2, b: 2 } as Document)).rejects.toMatchObject({ code: 66 });
  });
});

describe('reference/method/db.collection.updateOne, upsert', () => {
  test.each<[string, Document, Document | Document[], Document]>([
    ['fields of the query', { a: 1, b: { $gt: 5 } }, { $set: { c: 2 } }, { a: 1, c: 2 }],
    ['paths of the query', { 'a.b': 1 }, { $set: { c: 2 } }, { a: { b: 1 }, c: 2 }],
    ['$and', { $and: [{ a: 1 }, { b: { $eq: 2 } }] }, { $set: { c: 3 } }, { a: 1, b: 2, c: 3 }],
    ['$in of one', { a: { $in: [1] } }, { $set: { c: 3 } }, { a: 1, c: 3 }],
    ['$in of two says nothing', { a: { $in: [1, 2] } }, { $set: { c: 3 } }, { c: 3 }],
    ['$setOnInsert', { a: 1 }, { $set: { b: 1 }, $setOnInsert: { c: 1 } }, { a: 1, b: 1, c: 1 }],
    ['$inc', { a: 1 }, { $inc: { n: 5 } }, { a: 1, n: 5 }],
    ['a pipeline', { a: 1 }, [{ $set: { b: { $add: ['$a', 1] } } }], { a: 1, b: 2 }],
  ])('inserts with %s', async (_name, filter, update, expected) => {
    const collection = server().freshDb().collection('c');
    const result = await collection.updateOne(filter, update, { upsert: true });
    expect(result).toMatchObject({ matchedCount: 0, modifiedCount: 0, upsertedCount: 1 });
    expect(await collection.findOne({}, { projection: { _id: 0 } })).toEqual(expected);
    expect((await collection.findOne())?._id).toEqual(result.upsertedId);
  });

  test('takes the _id of the query', async () => {
    const collection = server().freshDb().collection<{ _id: number; a?: number }>('c');
    const result = await collection.updateOne({ _id: 7 }, { $set: { a: 1 } }, { upsert: true });
    expect(result.upsertedId).toBe(7);
    expect(await collection.updateOne({ _id: 7 }, { $set: { a: 1 } }, { upsert: true })).toMatchObject({
      matchedCount: 1,
      modifiedCount: 0,
      upsertedCount: 0,
    });
  });

  test('$setOnInsert leaves an existing document alone', async () => {
    const collection = server().freshDb().collection('c');
    await collection.insertOne({ a: 1 });
    expect(await collection.updateOne({ a: 1 }, { $setOnInsert: { b: 1 } }, { upsert: true })).toMatchObject({
      matchedCount: 1,
      modifiedCount: 0,
    });
  });

  test('a query that names a field twice is refused', async () => {
    const collection = server().freshDb().collection('c');
    await expect(
      collection.updateOne({ $and: [{ a: 1 }, { a: 2 }] }, { $set: { b: 1 } }, { upsert: true }),
    ).rejects.toMatchObject({ code: 54 });
  });
});

describe('reference/command/findAndModify', () => {
  test('before, after, none', async () => {
    const collection = server().freshDb().collection<{ _id: number; n: number }>('c');
    await collection.insertOne({ _id: 1, n: 1 });
    expect(await collection.findOneAndUpdate({ _id: 1 }, { $inc: { n: 1 } })).toEqual({ _id: 1, n: 1 });
    expect(await collection.findOneAndUpdate({ _id: 1 }, { $inc: { n: 1 } }, { returnDocument: 'after' })).toEqual({
      _id: 1,
      n: 3,
    });
    expect(await collection.findOneAndUpdate({ _id: 2 }, { $inc: { n: 1 } })).toBeNull();
    expect(await collection.findOneAndUpdate({ _id: 3 }, { $inc: { n: 1 } }, { upsert: true })).toBeNull();
    expect(
      await collection.findOneAndUpdate({ _id: 4 }, { $inc: { n: 1 } }, { upsert: true, returnDocument: 'after' }),
    ).toEqual({ _id: 4, n: 1 });
    expect(await collection.findOneAndReplace({ _id: 4 }, { n: 9 }, { returnDocument: 'after' })).toEqual({
      _id: 4,
      n: 9,
    });
    expect(await collection.findOneAndDelete({ _id: 4 })).toEqual({ _id: 4, n: 9 });
    expect(await collection.findOneAndDelete({ _id: 4 })).toBeNull();
  });

  test('sort chooses, projection shapes, the raw result tells', async () => {
    const collection = server().freshDb().collection<{ _id: number; n: number }>('c');
    await collection.insertMany([1, 2, 3].map((n) => ({ _id: n, n })));
    const result = await collection.findOneAndUpdate(
      {},
      { $set: { n: 0 } },
      { sort: { n: -1 }, projection: { n: 1, _id: 0 }, includeResultMetadata: true },
    );
    expect(result.value).toEqual({ n: 3 });
    expect(result.lastErrorObject).toEqual({ n: 1, updatedExisting: true });
  });
});

describe('reference/command/update, multi and batches', () => {
  test('updateMany and deleteMany', async () => {
    const collection = server().freshDb().collection<{ _id: number; g: number; n?: number }>('c');
    await collection.insertMany([0, 1, 2, 3].map((_id) => ({ _id, g: _id % 2 })));
    expect(await collection.updateMany({ g: 1 }, { $set: { n: 1 } })).toMatchObject({
      matchedCount: 2,
      modifiedCount: 2,
    });
    expect(await collection.updateMany({}, { $set: { n: 1 } })).toMatchObject({ matchedCount: 4, modifiedCount: 2 });
    expect(await collection.deleteMany({ g: 0 })).toMatchObject({ deletedCount: 2 });
    expect(await collection.deleteOne({})).toMatchObject({ deletedCount: 1 });
  });

  test('an update that moves documents in its own index meets each once', async () => {
    const collection = server().freshDb().collection('c');
    await collection.createIndex({ n: 1 });
    await collection.insertMany(Array.from({ length: 50 }, (_, n) => ({ n })));
    expect(await collection.updateMany({ n: { $gte: 0 } }, { $inc: { n: 10 } })).toMatchObject({ modifiedCount: 50 });
    expect(await collection.countDocuments({ n: { $gte: 10, $lt: 60 } })).toBe(50);
  });

  test('bulkWrite mixes operations', async () => {
    const collection = server().freshDb().collection<{ _id: number; a: number }>('c');
    const result = await collection.bulkWrite([
      { insertOne: { document: { _id: 1, a: 1 } } },
      { insertOne: { document: { _id: 2, a: 2 } } },
      { updateOne: { filter: { _id: 1 }, update: { $inc: { a: 10 } } } },
      { updateMany: { filter: {}, update: { $inc: { a: 100 } } } },
      { replaceOne: { filter: { _id: 3 }, replacement: { a: 3 }, upsert: true } },
      { deleteOne: { filter: { _id: 2 } } },
    ]);
    expect(result).toMatchObject({
      insertedCount: 2,
      matchedCount: 3,
      modifiedCount: 3,
      deletedCount: 1,
      upsertedCount: 1,
      upsertedIds: { 4: 3 },
    });
    expect(await collection.find().sort({ _id: 1 }).toArray()).toEqual([
      { _id: 1, a: 111 },
      { _id: 3, a: 3 },
    ]);
  });

  test('an ordered batch ends at the first error, an unordered one does not', async () => {
    for (const ordered of [true, false]) {
      const collection = server().freshDb().collection<{ _id: number }>('c');
      const error = await collection.insertMany([{ _id: 1 }, { _id: 1 }, { _id: 2 }, { _id: 2 }], { ordered }).then(
        () => undefined,
        (thrown: unknown) => thrown as { code: number; writeErrors: { index: number }[]; insertedCount: number },
      );
      expect(error?.code).toBe(11000);
      expect(error?.writeErrors.map(({ index }) => index)).toEqual(ordered ? [1] : [1, 3]);
      expect(await collection.countDocuments()).toBe(ordered ? 1 : 2);
    }
  });
});
