import { onDemand, serialize } from 'bson';
import { Binary, Decimal128, type Document, Double, Long, MaxKey, MinKey, ObjectId, Timestamp } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { useServer } from '../support/server.ts';

const server = useServer();

/** Documents by `_id`, a filter, and the `_id`s it finds; each group names the page of the manual that it follows. */
type Case = [name: string, docs: Document[], filter: Document, found: number[]];

const numbered = (docs: Document[]): Document[] => docs.map((doc, i) => ({ _id: i, ...doc }));

function cases(page: string, list: Case[]): void {
  describe(page, () => {
    test.each(list)('%s', async (_name, docs, filter, found) => {
      const collection = server().freshDb().collection('c');
      await collection.insertMany(numbered(docs));
      const results = await collection.find(filter).sort({ _id: 1 }).toArray();
      expect(results.map((doc) => doc._id as unknown)).toEqual(found);
    });
  });
}

/** Filters that are refused, with MongoDB's error code. */
function refused(page: string, list: [name: string, filter: Document, code: number][]): void {
  describe(`${page} (refused)`, () => {
    test.each(list)('%s', async (_name, filter, code) => {
      const collection = server().freshDb().collection('c');
      await collection.insertOne({});
      await expect(collection.findOne(filter)).rejects.toMatchObject({ code });
    });
  });
}

const values = (...list: unknown[]): Document[] => list.map((a) => (a === undefined ? {} : { a }));

cases('reference/operator/query/eq', [
  ['a number', values(1, 2, 1), { a: 1 }, [0, 2]],
  [
    'equal numbers of all types',
    values(1, new Double(1), Long.fromNumber(1), Decimal128.fromString('1.0'), '1'),
    { a: 1 },
    [0, 1, 2, 3],
  ],
  ['an element of an array', values([1, 2], [3], 1), { a: 1 }, [0, 2]],
  ['a whole array', values([1, 2], [2, 1], [[1, 2]], [1, 2, 3]), { a: [1, 2] }, [0, 2]],
  ['an embedded document by field order', values({ x: 1, y: 2 }, { y: 2, x: 1 }, { x: 1 }), { a: { x: 1, y: 2 } }, [0]],
  ['an embedded document with another number type', values({ x: new Double(1) }), { a: { x: 1 } }, [0]],
  ['null finds missing too', values(null, undefined, 0, [null], []), { a: null }, [0, 1, 3]],
  ['an empty document', values({}, { b: 1 }), { a: {} }, [0]],
  ['an empty array', values([], [[]], [1]), { a: [] }, [0, 1]],
  ['true is not 1', values(true, 1), { a: true }, [0]],
  ['NaN equals NaN', values(Number.NaN, 0), { a: Number.NaN }, [0]],
  ['zero and minus zero', values(0, -0), { a: 0 }, [0, 1]],
  [
    'large longs are not rounded',
    values(Long.fromString('9007199254740993'), new Double(9007199254740992)),
    { a: Long.fromString('9007199254740993') },
    [0],
  ],
  ['a date', values(new Date(5), new Date(6)), { a: new Date(5) }, [0]],
  [
    'an object id',
    values(new ObjectId('650000000000000000000001'), new ObjectId('650000000000000000000002')),
    { a: new ObjectId('650000000000000000000001') },
    [0],
  ],
  [
    'binary data by subtype',
    values(new Binary(Buffer.from('x'), 0), new Binary(Buffer.from('x'), 5)),
    { a: new Binary(Buffer.from('x'), 5) },
    [1],
  ],
  ['a regular expression as a value', values(/ab/, 'ab'), { a: { $eq: /ab/ } }, [0]],
]);

cases('tutorial/query-embedded-documents', [
  ['a dotted path', [{ a: { b: 1 } }, { a: { b: 2 } }], { 'a.b': 1 }, [0]],
  ['through an array of documents', [{ a: [{ b: 1 }, { b: 2 }] }, { a: [{ b: 3 }] }], { 'a.b': 2 }, [0]],
  ['a position in an array', [{ a: [5, 6] }, { a: [6, 5] }], { 'a.1': 5 }, [1]],
  ['a field of an element at a position', [{ a: [{ b: 1 }, { b: 2 }] }], { 'a.0.b': 1 }, [0]],
  ['a position is also a field name', [{ a: { 0: 'x' } }], { 'a.0': 'x' }, [0]],
  ['an inner array is reached through its documents only', [{ a: [[{ b: 1 }]] }], { 'a.b': 1 }, []],
  ['null at a path that ends in a scalar', [{ a: 5 }, { a: { b: 1 } }, {}], { 'a.b': null }, [0, 2]],
  ['null through an array of documents', [{ a: [{ b: 1 }, {}] }, { a: [{ b: 1 }] }], { 'a.b': null }, [0]],
  ['null through an array of scalars finds nothing', [{ a: [1, 2] }, { a: [] }], { 'a.b': null }, []],
  ['a document of operators is no value', [{ a: { b: 1 } }], { a: { $eq: { b: 1 } } }, [0]],
]);

cases('reference/operator/query/gt and its like', [
  ['only within the type', values(1, '1', null, true, 3), { a: { $gt: 0 } }, [0, 4]],
  [
    'across the number types',
    values(1, new Double(1.5), Long.fromNumber(2), Decimal128.fromString('2.5')),
    { a: { $gt: 1.5 } },
    [2, 3],
  ],
  ['strings by bytes', values('a', 'B', 'b', ''), { a: { $gt: 'a' } }, [2]],
  ['code points beyond the basic plane sort last', values('\uffff', '😀'), { a: { $gt: '\uffff' } }, [1]],
  ['dates', values(new Date(1), new Date(2), 3), { a: { $lt: new Date(2) } }, [0]],
  ['booleans', values(false, true), { a: { $lt: true } }, [0]],
  ['null with $gte finds null and missing', values(null, undefined, 1), { a: { $gte: null } }, [0, 1]],
  ['null with $gt finds nothing', values(null, undefined, 1), { a: { $gt: null } }, []],
  ['NaN is not less than a number', values(Number.NaN, 1), { a: { $lt: 5 } }, [1]],
  ['NaN with $gte', values(Number.NaN, 1), { a: { $gte: Number.NaN } }, [0]],
  ['each bound by any element', values([1, 10], [4], [1]), { a: { $gt: 3, $lt: 5 } }, [0, 1]],
  ['embedded documents in order', values({ x: 1 }, { x: 3 }, { y: 1 }), { a: { $gt: { x: 2 } } }, [1, 2]],
  ['MinKey is below everything', values(1, null, 'x'), { a: { $gt: new MinKey() } }, [0, 1, 2]],
  ['MaxKey is above everything', values(1, 'x', new MaxKey()), { a: { $lt: new MaxKey() } }, [0, 1]],
  [
    'object ids',
    values(new ObjectId('650000000000000000000001'), new ObjectId('650000000000000000000003')),
    { a: { $gt: new ObjectId('650000000000000000000002') } },
    [1],
  ],
  [
    'timestamps',
    values(new Timestamp({ t: 1, i: 1 }), new Timestamp({ t: 1, i: 2 })),
    { a: { $gt: new Timestamp({ t: 1, i: 1 }) } },
    [1],
  ],
  ['$lte and $gte meet', values(1, 2, 3), { a: { $gte: 2, $lte: 2 } }, [1]],
]);

cases('reference/operator/query/in', [
  ['any of the values', values(1, 2, 3), { a: { $in: [1, 3] } }, [0, 2]],
  ['elements of arrays', values([1, 5], [2]), { a: { $in: [5] } }, [0]],
  ['null finds missing', values(undefined, null, 1), { a: { $in: [null] } }, [0, 1]],
  ['regular expressions', values('ab', 'cd', 5), { a: { $in: [/^a/, 5] } }, [0, 2]],
  ['nothing in an empty list', values(1), { a: { $in: [] } }, []],
  ['a long list', values(3, new Double(7), 'x'), { a: { $in: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] } }, [0, 1]],
  ['$nin with missing', values(1, undefined, 2), { a: { $nin: [1] } }, [1, 2]],
  ['$nin excludes by any element', values([1, 2], [3]), { a: { $nin: [1] } }, [1]],
]);

cases('reference/operator/query/ne and not', [
  ['$ne finds missing', values(1, undefined, 2), { a: { $ne: 1 } }, [1, 2]],
  ['$ne is not any element', values([1, 2], [2]), { a: { $ne: 1 } }, [1]],
  ['$ne null', values(null, undefined, 1), { a: { $ne: null } }, [2]],
  ['$not of a range', values(1, 5, undefined), { a: { $not: { $gt: 3 } } }, [0, 2]],
  ['$not of an expression', values('ab', 'b', undefined), { a: { $not: /^a/ } }, [1, 2]],
  ['$not of several is not all of them', values(1, 5, 9), { a: { $not: { $gt: 3, $lt: 7 } } }, [0, 2]],
]);

cases('reference/operator/query/and, or, nor', [
  [
    '$and',
    [
      { a: 1, b: 1 },
      { a: 1, b: 2 },
    ],
    { $and: [{ a: 1 }, { b: 2 }] },
    [1],
  ],
  ['$or', [{ a: 1 }, { b: 2 }, { c: 3 }], { $or: [{ a: 1 }, { b: 2 }] }, [0, 1]],
  ['$nor', [{ a: 1 }, { b: 2 }, { c: 3 }], { $nor: [{ a: 1 }, { b: 2 }] }, [2]],
  [
    'nested',
    [
      { a: 1, b: 1 },
      { a: 2, b: 2 },
    ],
    { $or: [{ $and: [{ a: 1 }, { b: 1 }] }, { a: 5 }] },
    [0],
  ],
  ['beside fields', [{ a: 1, b: 1 }, { a: 1 }], { a: 1, $or: [{ b: 1 }, { b: 2 }] }, [0]],
]);

cases('reference/operator/query/exists and type', [
  ['$exists counts null', values(null, undefined, 1), { a: { $exists: true } }, [0, 2]],
  ['$exists false', values(null, undefined), { a: { $exists: false } }, [1]],
  ['$exists in documents of an array', [{ a: [{ b: 1 }] }, { a: [{}] }], { 'a.b': { $exists: true } }, [0]],
  ['$type by alias', values(1, 'x', 1.5), { a: { $type: 'string' } }, [1]],
  ['$type by number', values(1, 'x', 1.5), { a: { $type: 1 } }, [2]],
  [
    '$type number',
    values(1, 'x', 1.5, Long.fromNumber(1), Decimal128.fromString('1')),
    { a: { $type: 'number' } },
    [0, 2, 3, 4],
  ],
  ['$type of elements', values(['x'], [1]), { a: { $type: 'string' } }, [0]],
  ['$type array', values([1], 1), { a: { $type: 'array' } }, [0]],
  ['$type of a list', values(1, 'x', null), { a: { $type: ['string', 'null'] } }, [1, 2]],
  ['int and double differ', values(1, new Double(1)), { a: { $type: 'double' } }, [1]],
]);

cases('reference/operator/query/regex', [
  ['a literal', values('abc', 'xbc'), { a: /^ab/ }, [0]],
  ['without regard to case', values('ABC', 'abc'), { a: /^ab/i }, [0, 1]],
  ['$regex with $options', values('ABC', 'xyz'), { a: { $regex: '^a', $options: 'i' } }, [0]],
  ['the extended form', values('ab', 'a b'), { a: { $regex: 'a b # a comment', $options: 'x' } }, [0]],
  ['multiple lines', values('x\nabc', 'abc'), { a: { $regex: '^abc', $options: 'm' } }, [0, 1]],
  ['the dot and new lines', values('a\nb'), { a: { $regex: 'a.b', $options: 's' } }, [0]],
  ['an inline option', values('ABC'), { a: { $regex: '(?i)abc' } }, [0]],
  ['elements of arrays', values(['x', 'abc']), { a: /^abc/ }, [0]],
  ['strings only', values(1, 'a1'), { a: /1/ }, [1]],
]);

cases('reference/operator/query/elemMatch, all, size', [
  [
    '$elemMatch ties conditions to one element',
    [
      {
        a: [
          { x: 1, y: 2 },
          { x: 2, y: 1 },
        ],
      },
      { a: [{ x: 1, y: 1 }] },
    ],
    { a: { $elemMatch: { x: 1, y: 1 } } },
    [1],
  ],
  [
    'without it any element will do',
    [
      {
        a: [
          { x: 1, y: 2 },
          { x: 2, y: 1 },
        ],
      },
    ],
    { 'a.x': 1, 'a.y': 1 },
    [0],
  ],
  ['$elemMatch on values', values([1, 10], [4]), { a: { $elemMatch: { $gt: 3, $lt: 5 } } }, [1]],
  ['$elemMatch does not look into inner arrays', values([[4]], [4]), { a: { $elemMatch: { $gt: 3 } } }, [1]],
  ['$elemMatch needs an array', values(4, { x: 1 }), { a: { $elemMatch: { $gt: 3 } } }, []],
  [
    '$elemMatch with $or',
    [{ a: [{ x: 1 }] }, { a: [{ y: 2 }] }, { a: [{ z: 3 }] }],
    { a: { $elemMatch: { $or: [{ x: 1 }, { y: 2 }] } } },
    [0, 1],
  ],
  ['$all', values([1, 2, 3], [1, 2], [2]), { a: { $all: [1, 2] } }, [0, 1]],
  ['$all of one on a scalar', values(1, 2), { a: { $all: [1] } }, [0]],
  ['$all of nothing', values([], [1]), { a: { $all: [] } }, []],
  [
    '$all with $elemMatch',
    [{ a: [{ x: 1 }, { x: 2 }] }, { a: [{ x: 1 }] }],
    { a: { $all: [{ $elemMatch: { x: 1 } }, { $elemMatch: { x: 2 } }] } },
    [0],
  ],
  ['$size', values([], [1], [1, 2], 'ab'), { a: { $size: 2 } }, [2]],
]);

cases('reference/operator/query/mod and bitwise', [
  ['$mod', values(4, 5, 8.5, -4, 'x'), { a: { $mod: [4, 0] } }, [0, 2, 3]],
  ['$mod truncates', values(8.9), { a: { $mod: [4.9, 0] } }, [0]],
  ['$bitsAllSet', values(7, 5, 2), { a: { $bitsAllSet: 5 } }, [0, 1]],
  ['$bitsAnySet by positions', values(1, 2, 4), { a: { $bitsAnySet: [0, 1] } }, [0, 1]],
  ['$bitsAllClear', values(8, 1), { a: { $bitsAllClear: 7 } }, [0]],
  ['$bitsAnyClear', values(3, 1), { a: { $bitsAnyClear: 3 } }, [1]],
  ['bits of negative numbers', values(-1), { a: { $bitsAllSet: [0, 63, 100] } }, [0]],
  ['bits of binary data', values(new Binary(Buffer.from([1]))), { a: { $bitsAllSet: [0] } }, [0]],
]);

cases('reference/operator/query/expr', [
  [
    'two fields',
    [
      { a: 1, b: 2 },
      { a: 2, b: 1 },
    ],
    { $expr: { $gt: ['$a', '$b'] } },
    [1],
  ],
  ['missing is below everything', [{ b: 1 }, { a: 2, b: 1 }], { $expr: { $lt: ['$a', '$b'] } }, [0]],
  ['an array is compared as a whole', [{ a: [1, 2] }], { $expr: { $eq: ['$a', 1] } }, []],
  [
    'beside other conditions',
    [
      { a: 1, b: 1 },
      { a: 1, b: 2 },
    ],
    { a: 1, $expr: { $eq: ['$b', { $add: [1, 1] }] } },
    [1],
  ],
]);

refused('reference/operator/query', [
  ['an unknown operator', { a: { $foo: 1 } }, 2],
  ['an unknown operator at the top', { $foo: 1 }, 2],
  ['$in without a list', { a: { $in: 1 } }, 2],
  ['$and without a list', { $and: { a: 1 } }, 2],
  ['$or of nothing', { $or: [] }, 2],
  ['a broken expression', { a: { $regex: '(' } }, 51091],
  ['a bad option', { a: { $regex: 'a', $options: 'q' } }, 51108],
  ['$mod by zero', { a: { $mod: [0, 1] } }, 2],
  ['$size of a fraction', { a: { $size: 1.5 } }, 2],
  ['an unknown type', { a: { $type: 'foo' } }, 2],
  ['$where', { $where: 'true' }, 238],
  ['$options without $regex', { a: { $options: 'i' } }, 2],
  ['$not of a value', { a: { $not: 5 } }, 2],
  ['$elemMatch of a value', { a: { $elemMatch: 5 } }, 2],
  ['an unknown expression', { $expr: { $foo: 1 } }, 168],
  ['an unknown variable', { $expr: { $eq: ['$$foo', 1] } }, 17276],
]);

describe('reference/bson-type-comparison-order', () => {
  test('all types sort in one order', async () => {
    const collection = server().freshDb().collection('c');
    const inOrder = [
      new MinKey(),
      null,
      Number.NaN,
      Number.NEGATIVE_INFINITY,
      -1,
      0,
      new Double(0.5),
      Long.fromNumber(1),
      Decimal128.fromString('1.5'),
      Number.POSITIVE_INFINITY,
      '',
      'a',
      { a: 1 },
      { b: 0 },
      new Binary(Buffer.from('a')),
      new ObjectId('650000000000000000000001'),
      false,
      true,
      new Date(0),
      new Timestamp({ t: 1, i: 0 }),
      /a/,
      new MaxKey(),
    ];
    await collection.insertMany(inOrder.map((v, i) => ({ _id: i, v })).reverse() as Document[]);
    const ids = async (direction: 1 | -1): Promise<unknown[]> =>
      (await collection.find().sort({ v: direction }).toArray()).map((doc) => doc._id as unknown);
    const expected = inOrder.map((_, i) => i);
    expect(await ids(1)).toEqual(expected);
    expect(await ids(-1)).toEqual(expected.toReversed());
    await collection.createIndex({ v: 1 });
    expect(await ids(1)).toEqual(expected);
    expect(await ids(-1)).toEqual(expected.toReversed());
  });

  test('an array sorts by its least element ascending, by its greatest descending', async () => {
    const collection = server().freshDb().collection('c');
    await collection.insertMany(numbered(values([5, 1], [3], [], 2, undefined)));
    const ids = async (direction: 1 | -1): Promise<unknown[]> =>
      (await collection.find().sort({ a: direction, _id: 1 }).toArray()).map((doc) => doc._id as unknown);
    expect(await ids(1)).toEqual([2, 4, 0, 3, 1]);
    expect(await ids(-1)).toEqual([0, 1, 3, 4, 2]);
  });
});

describe('tutorial/project-fields-from-query-results', () => {
  const doc = { _id: 1, a: 1, b: { c: 2, d: 3 }, list: [{ x: 1, y: 1 }, { x: 2, y: 2 }, 5], n: [1, 2, 3, 4] };
  test.each<[string, Document, Document]>([
    ['inclusion keeps _id', { a: 1 }, { _id: 1, a: 1 }],
    ['inclusion without _id', { a: 1, _id: 0 }, { a: 1 }],
    ['only _id', { _id: 1 }, { _id: 1 }],
    ['exclusion', { b: 0, list: 0, n: 0 }, { _id: 1, a: 1 }],
    ['_id excluded alone', { _id: 0, b: 0, list: 0, n: 0 }, { a: 1 }],
    ['a path', { 'b.c': 1 }, { _id: 1, b: { c: 2 } }],
    ['a nested document', { b: { c: 1 } }, { _id: 1, b: { c: 2 } }],
    ['a path excluded', { 'b.c': 0, list: 0, n: 0 }, { _id: 1, a: 1, b: { d: 3 } }],
    ['a path through an array', { 'list.x': 1 }, { _id: 1, list: [{ x: 1 }, { x: 2 }] }],
    ['a path through an array excluded', { 'list.x': 0, a: 0, b: 0, n: 0 }, { _id: 1, list: [{ y: 1 }, { y: 2 }, 5] }],
    ['an order of its own does not matter', { n: 1, a: 1 }, { _id: 1, a: 1, n: [1, 2, 3, 4] }],
    ['an expression', { sum: { $add: ['$a', '$b.c'] } }, { _id: 1, sum: 3 }],
    ['a literal string is a path', { twin: '$a' }, { _id: 1, twin: 1 }],
    ['$slice keeps the others', { n: { $slice: 2 }, list: 0, b: 0 }, { _id: 1, a: 1, n: [1, 2] }],
    ['$slice from the end', { n: { $slice: -1 }, _id: 1, a: 1 }, { _id: 1, a: 1, n: [4] }],
    ['$slice with a start', { n: { $slice: [1, 2] }, a: 1 }, { _id: 1, a: 1, n: [2, 3] }],
    ['$elemMatch', { list: { $elemMatch: { x: 2 } } }, { _id: 1, list: [{ x: 2, y: 2 }] }],
    ['$elemMatch that finds nothing', { list: { $elemMatch: { x: 9 } } }, { _id: 1 }],
  ])('%s', async (_name, projection, expected) => {
    const collection = server().freshDb().collection<Document>('c');
    await collection.insertOne({ ...doc } as Document);
    const found = await collection.findOne({}, { projection });
    expect(found).toEqual(expected);
    expect(Object.keys(found ?? {})).toEqual(Object.keys(expected));
  });

  test('the positional operator shows the element that matched', async () => {
    const collection = server().freshDb().collection('c');
    await collection.insertOne({ list: [1, 5, 9], b: 1 });
    expect(await collection.findOne({ list: { $gt: 3 } }, { projection: { 'list.$': 1, _id: 0 } })).toEqual({
      list: [5],
    });
  });

  test.each<[string, Document, number]>([
    ['inclusion with exclusion', { a: 1, b: 0 }, 31254],
    ['exclusion with inclusion', { a: 0, b: 1 }, 31253],
    ['two paths that collide', { a: 1, 'a.b': 1 }, 31249],
  ])('%s is refused', async (_name, projection, code) => {
    const collection = server().freshDb().collection('c');
    await collection.insertOne({ a: 1 });
    await expect(collection.findOne({}, { projection })).rejects.toMatchObject({ code });
  });
});

describe('reference/command/distinct and count', () => {
  test.each<[string, Document[], string, unknown[]]>([
    ['values', values(1, 2, 1), 'a', [1, 2]],
    ['elements of arrays', values([1, 2], 2, [3]), 'a', [1, 2, 3]],
    ['through arrays of documents', [{ a: [{ b: 1 }, { b: 2 }] }, { a: { b: 2 } }], 'a.b', [1, 2]],
    ['missing does not count, null does', values(null, undefined), 'a', [null]],
    ['equal numbers are one', values(1, new Double(1)), 'a', [1]],
  ])('distinct %s', async (_name, docs, key, expected) => {
    const collection = server().freshDb().collection('c');
    await collection.insertMany(docs);
    expect(await collection.distinct(key)).toEqual(expected);
  });

  test('count with skip and limit', async () => {
    const collection = server().freshDb().collection('c');
    await collection.insertMany(values(1, 2, 3, 4, 5));
    expect(await collection.countDocuments({ a: { $gt: 1 } })).toBe(4);
    expect(await collection.countDocuments({ a: { $gt: 1 } }, { skip: 1, limit: 2 })).toBe(2);
    expect(await collection.estimatedDocumentCount()).toBe(5);
  });
});

describe('reference/bson-types', () => {
  test('every type survives a round trip', async () => {
    const collection = server().freshDb().collection<Document>('c');
    const doc = {
      _id: new ObjectId(),
      double: new Double(1),
      fraction: 1.5,
      int: 1,
      long: Long.fromString('9223372036854775807'),
      decimal: Decimal128.fromString('1.10'),
      nan: Number.NaN,
      minusZero: new Double(-0),
      string: 'ä😀',
      date: new Date(-1),
      binary: new Binary(Buffer.from([1, 2, 3]), 128),
      regex: /a.*b/i,
      timestamp: new Timestamp({ t: 4294967295, i: 2 }),
      min: new MinKey(),
      max: new MaxKey(),
      nothing: null,
      yes: true,
      list: [1, [new Double(2)], { x: Long.fromNumber(3) }],
      nested: { b: 1, a: 2 },
    };
    await collection.insertOne(doc);
    const raw = await collection.findOne({}, { promoteValues: false, promoteLongs: false });
    expect(Buffer.from(serialize(raw as Document)).toString('hex')).toBe(Buffer.from(serialize(doc)).toString('hex'));
  });

  test('integer-like keys keep their order, and __proto__ is a name like any other', async () => {
    const collection = server().freshDb().collection<Document>('c');
    const doc = new Map<string, unknown>([
      ['b', 1],
      ['10', 2],
      ['2', 3],
      ['__proto__', 4],
    ]);
    await collection.insertOne(doc as unknown as Document);
    await collection.updateOne({}, { $set: { '1': 5 } });
    const [raw] = await collection.find({}, { raw: true }).toArray();
    const names = [...onDemand.parseToElements(raw as unknown as Uint8Array)].map((element) =>
      Buffer.from(raw as unknown as Uint8Array).toString('utf8', element[1], element[1] + element[2]),
    );
    expect(names).toEqual(['_id', 'b', '10', '2', '__proto__', '1']);
    expect(await collection.countDocuments({ __proto__: 4 } as Document)).toBe(1);
  });
});
