import { Decimal128, type Document, Double, Long } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { pipelineTables } from '../support/pipeline-cases.ts';
import { useServer } from '../support/server.ts';

const server = useServer();
const { cases, refused } = pipelineTables(server);

const sales = [
  { item: 'a', n: 1, price: 2.5 },
  { item: 'b', n: 2, price: 1 },
  { item: 'a', n: 3, price: 4 },
];

cases('reference/operator/aggregation/group', [
  [
    '$sum and $count',
    sales,
    [{ $group: { _id: '$item', n: { $sum: '$n' }, docs: { $sum: 1 }, count: { $count: {} } } }, { $sort: { _id: 1 } }],
    [
      { _id: 'a', n: 4, docs: 2, count: 2 },
      { _id: 'b', n: 2, docs: 1, count: 1 },
    ],
  ],
  ['$avg is double', sales, [{ $group: { _id: null, avg: { $avg: '$n' } } }], [{ _id: null, avg: new Double(2) }]],
  [
    '$min, $max',
    sales,
    [{ $group: { _id: null, min: { $min: '$n' }, max: { $max: '$item' } } }],
    [{ _id: null, min: 1, max: 'b' }],
  ],
  [
    '$first, $last after a sort',
    sales,
    [
      { $sort: { n: -1 } },
      { $group: { _id: '$item', first: { $first: '$n' }, last: { $last: '$n' } } },
      { $sort: { _id: 1 } },
    ],
    [
      { _id: 'a', first: 3, last: 1 },
      { _id: 'b', first: 2, last: 2 },
    ],
  ],
  [
    '$push skips missing',
    [{ a: 1 }, {}, { a: null }],
    [{ $group: { _id: null, all: { $push: '$a' } } }],
    [{ _id: null, all: [1, null] }],
  ],
  [
    '$addToSet',
    [{ a: 1 }, { a: new Double(1) }],
    [{ $group: { _id: null, all: { $addToSet: '$a' } } }],
    [{ _id: null, all: [1] }],
  ],
  [
    '$mergeObjects',
    [{ d: { x: 1 } }, { d: { y: 2 } }],
    [{ $group: { _id: null, all: { $mergeObjects: '$d' } } }],
    [{ _id: null, all: { x: 1, y: 2 } }],
  ],
  [
    'a compound key',
    [
      { a: 1, b: 1 },
      { a: 1, b: 1 },
    ],
    [{ $group: { _id: { a: '$a', b: '$b' }, n: { $sum: 1 } } }],
    [{ _id: { a: 1, b: 1 }, n: 2 }],
  ],
  [
    'equal numbers are one group',
    [{ a: 1 }, { a: new Double(1) }, { a: Long.fromNumber(1) }],
    [{ $group: { _id: '$a', n: { $sum: 1 } } }],
    [{ _id: 1, n: 3 }],
  ],
  [
    'null and missing keys',
    [{ a: null }, {}],
    [{ $group: { _id: '$a', n: { $sum: 1 } } }, { $sort: { n: 1 } }],
    [
      { _id: null, n: 1 },
      { _id: null, n: 1 },
    ],
  ],
  [
    'sums of ints stay int',
    [{ a: 2147483647 }],
    [{ $group: { _id: null, s: { $sum: '$a' } } }],
    [{ _id: null, s: 2147483647 }],
  ],
  [
    'sums overflow to long',
    [{ a: 2147483647 }, { a: 1 }],
    [{ $group: { _id: null, s: { $sum: '$a' } } }],
    [{ _id: null, s: Long.fromNumber(2147483648) }],
  ],
  [
    'sums of doubles do not lose',
    [{ a: 1e16 }, { a: 1.5 }, { a: -1e16 }],
    [{ $group: { _id: null, s: { $sum: '$a' } } }],
    [{ _id: null, s: 1.5 }],
  ],
  [
    'sums ignore what is no number',
    [{ a: 1 }, { a: 'x' }, {}],
    [{ $group: { _id: null, s: { $sum: '$a' } } }],
    [{ _id: null, s: 1 }],
  ],
  [
    'decimals',
    [{ a: Decimal128.fromString('0.1') }, { a: Decimal128.fromString('0.2') }],
    [{ $group: { _id: null, s: { $sum: '$a' } } }],
    [{ _id: null, s: Decimal128.fromString('0.3') }],
  ],
  ['nothing in, nothing out', [], [{ $group: { _id: null, n: { $sum: 1 } } }], []],
  ['$avg of nothing', [{}], [{ $group: { _id: null, a: { $avg: '$x' } } }], [{ _id: null, a: null }]],
  [
    'by day',
    [{ at: new Date('2024-03-10T01:00:00Z') }, { at: new Date('2024-03-10T23:00:00Z') }],
    [{ $group: { _id: { $dateToString: { date: '$at', format: '%Y-%m-%d' } }, n: { $sum: 1 } } }],
    [{ _id: '2024-03-10', n: 2 }],
  ],
]);

cases('reference/operator/aggregation, stages', [
  [
    '$match, $sort, $skip, $limit',
    sales,
    [{ $match: { n: { $gte: 1 } } }, { $sort: { n: -1 } }, { $skip: 1 }, { $limit: 1 }, { $project: { _id: 0, n: 1 } }],
    [{ n: 2 }],
  ],
  ['$count', sales, [{ $match: { item: 'a' } }, { $count: 'total' }], [{ total: 2 }]],
  ['$count of nothing', sales, [{ $match: { item: 'z' } }, { $count: 'total' }], []],
  [
    '$addFields merges',
    [{ a: { b: 1 } }],
    [{ $addFields: { 'a.c': 2, d: { $literal: 1 } } }],
    [{ _id: 0, a: { b: 1, c: 2 }, d: 1 }],
  ],
  [
    '$project computes after what it keeps',
    [{ a: 1, b: 2 }],
    [{ $project: { c: { $add: ['$a', '$b'] }, b: 1 } }],
    [{ _id: 0, b: 2, c: 3 }],
  ],
  [
    '$project with nested computation',
    [{ a: { b: 1, c: 2 } }],
    [{ $project: { _id: 0, a: { b: 1, d: '$a.c' } } }],
    [{ a: { b: 1, d: 2 } }],
  ],
  ['$unset', [{ a: 1, b: { c: 1, d: 2 } }], [{ $unset: ['a', 'b.c'] }], [{ _id: 0, b: { d: 2 } }]],
  ['$replaceRoot', [{ a: { x: 1 } }], [{ $replaceRoot: { newRoot: '$a' } }], [{ x: 1 }]],
  [
    '$sortByCount',
    sales,
    [{ $sortByCount: '$item' }],
    [
      { _id: 'a', count: 2 },
      { _id: 'b', count: 1 },
    ],
  ],
  [
    '$bucket',
    [{ a: 1 }, { a: 5 }, { a: 12 }],
    [{ $bucket: { groupBy: '$a', boundaries: [0, 5, 10], default: 'other' } }],
    [
      { _id: 0, count: 1 },
      { _id: 5, count: 1 },
      { _id: 'other', count: 1 },
    ],
  ],
  [
    '$facet',
    sales,
    [
      {
        $facet: { all: [{ $count: 'n' }], top: [{ $sort: { n: -1 } }, { $limit: 1 }, { $project: { _id: 0, n: 1 } }] },
      },
    ],
    [{ all: [{ n: 3 }], top: [{ n: 3 }] }],
  ],
  [
    '$match after $group',
    sales,
    [{ $group: { _id: '$item', n: { $sum: 1 } } }, { $match: { n: { $gt: 1 } } }],
    [{ _id: 'a', n: 2 }],
  ],
  ['a limit before a match', [{ a: 1 }, { a: 2 }], [{ $limit: 1 }, { $match: { a: 2 } }], []],
  [
    'a sort by two fields',
    [
      { a: 1, b: 1 },
      { a: 1, b: 2 },
      { a: 0, b: 3 },
    ],
    [{ $sort: { a: 1, b: -1 } }, { $project: { b: 1, _id: 0 } }],
    [{ b: 3 }, { b: 2 }, { b: 1 }],
  ],
  ['$sample of more than there is', [{ a: 1 }], [{ $sample: { size: 5 } }], [{ _id: 0, a: 1 }]],
]);

cases('reference/operator/aggregation/unwind', [
  [
    'each element',
    [{ a: [1, 2] }],
    [{ $unwind: '$a' }],
    [
      { _id: 0, a: 1 },
      { _id: 0, a: 2 },
    ],
  ],
  ['a scalar stays', [{ a: 1 }], [{ $unwind: '$a' }], [{ _id: 0, a: 1 }]],
  ['empty, null and missing vanish', [{ a: [] }, { a: null }, {}], [{ $unwind: '$a' }], []],
  [
    'unless they are preserved',
    [{ a: [] }, { a: null }, {}],
    [{ $unwind: { path: '$a', preserveNullAndEmptyArrays: true } }],
    [{ _id: 0 }, { _id: 1, a: null }, { _id: 2 }],
  ],
  [
    'with the position',
    [{ a: ['x', 'y'] }],
    [{ $unwind: { path: '$a', includeArrayIndex: 'i' } }],
    [
      { _id: 0, a: 'x', i: Long.fromNumber(0) },
      { _id: 0, a: 'y', i: Long.fromNumber(1) },
    ],
  ],
  [
    'within a document',
    [{ a: { b: [1, 2] } }],
    [{ $unwind: '$a.b' }],
    [
      { _id: 0, a: { b: 1 } },
      { _id: 0, a: { b: 2 } },
    ],
  ],
]);

describe('reference/operator/aggregation/lookup', () => {
  test.each<[string, Document[], unknown[]]>([
    [
      'by fields; a missing one finds null',
      [
        { $lookup: { from: 'items', localField: 'item', foreignField: 'sku', as: 'found' } },
        { $project: { _id: 1, 'found.q': 1 } },
      ],
      [
        { _id: 1, found: [{ q: 10 }] },
        { _id: 2, found: [{ q: 5 }] },
        { _id: 3, found: [{ q: 5 }] },
        { _id: 4, found: [{ q: 10 }, { q: 5 }] },
      ],
    ],
    [
      'by a pipeline',
      [
        { $match: { _id: 1 } },
        {
          $lookup: {
            from: 'items',
            let: { wanted: '$item' },
            pipeline: [{ $match: { $expr: { $eq: ['$sku', '$$wanted'] } } }, { $project: { _id: 0, q: 1 } }],
            as: 'found',
          },
        },
      ],
      [{ _id: 1, item: 'a', found: [{ q: 10 }] }],
    ],
    [
      'by both',
      [
        { $match: { _id: 1 } },
        {
          $lookup: {
            from: 'items',
            localField: 'item',
            foreignField: 'sku',
            let: { id: '$_id' },
            pipeline: [{ $project: { _id: 0, both: { $add: ['$q', '$$id'] } } }],
            as: 'found',
          },
        },
      ],
      [{ _id: 1, item: 'a', found: [{ both: 11 }] }],
    ],
    [
      'then unwound',
      [
        { $match: { _id: 1 } },
        { $lookup: { from: 'items', localField: 'item', foreignField: 'sku', as: 'f' } },
        { $unwind: '$f' },
        { $replaceWith: { q: '$f.q' } },
      ],
      [{ q: 10 }],
    ],
    [
      'from nothing',
      [{ $match: { _id: 1 } }, { $lookup: { from: 'none', localField: 'item', foreignField: 'sku', as: 'f' } }],
      [{ _id: 1, item: 'a', f: [] }],
    ],
  ])('%s', async (_name, pipeline, expected) => {
    const db = server().freshDb();
    await db
      .collection<Document>('orders')
      .insertMany([
        { _id: 1, item: 'a' },
        { _id: 2 },
        { _id: 3, item: null },
        { _id: 4, item: ['a', null] },
      ] as Document[]);
    await db.collection('items').insertMany([
      { sku: 'a', q: 10 },
      { sku: null, q: 5 },
    ]);
    const found = await db.collection('orders').aggregate(pipeline).toArray();
    expect(found).toEqual(expected);
  });

  test('$unionWith', async () => {
    const db = server().freshDb();
    await db.collection('a').insertOne({ n: 1 });
    await db.collection('b').insertMany([{ n: 2 }, { n: 3 }]);
    const pipeline = [{ $unionWith: { coll: 'b', pipeline: [{ $match: { n: 3 } }] } }, { $project: { _id: 0 } }];
    expect(await db.collection('a').aggregate(pipeline).toArray()).toEqual([{ n: 1 }, { n: 3 }]);
  });
});

refused('reference/operator/aggregation', [
  ['an unknown stage', [{ $foo: {} }], 40324],
  ['a stage that is not supported', [{ $geoNear: {} }], 238],
  ['two stages in one', [{ $match: {}, $limit: 1 }], 40323],
  ['$limit of zero', [{ $limit: 0 }], 15958],
  ['$group without an _id', [{ $group: { n: { $sum: 1 } } }], 15955],
  ['an unknown accumulator', [{ $group: { _id: 1, n: { $foo: 1 } } }], 15952],
  ['$group with a plain field', [{ $group: { _id: 1, n: 5 } }], 40234],
  ['$unwind without a dollar', [{ $unwind: 'a' }], 28818],
  ['$project of nothing', [{ $project: {} }], 51272],
  ['$sort in another direction', [{ $sort: { a: 2 } }], 2],
  ['$count without a name', [{ $count: '' }], 40157],
  ['$replaceRoot with a scalar', [{ $replaceRoot: { newRoot: '$a' } }], 40228],
]);

describe('reference/command/getMore', () => {
  test('a cursor delivers everything in batches, as it was when it was opened', async () => {
    const collection = server().freshDb().collection<{ _id: number; n?: number }>('c');
    await collection.insertMany(Array.from({ length: 1000 }, (_, _id) => ({ _id })));
    const cursor = collection.find().sort({ _id: 1 }).batchSize(7);
    const seen: number[] = [];
    for await (const doc of cursor) {
      seen.push(doc._id);
      if (doc._id === 10) await collection.deleteMany({ _id: { $gt: 500 } });
      if (doc._id === 20) await collection.insertOne({ _id: 5000 });
    }
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  test('a cursor that was closed is not found any more', async () => {
    const db = server().freshDb();
    await db.collection('c').insertMany(Array.from({ length: 10 }, () => ({})));
    const reply = await db.command({ find: 'c', batchSize: 2 });
    const id = Long.fromValue(reply.cursor.id as Long | number);
    const killed = await db.command({ killCursors: 'c', cursors: [id] });
    expect(killed.cursorsKilled).toHaveLength(1);
    await expect(db.command({ getMore: id, collection: 'c' })).rejects.toMatchObject({ code: 43 });
  });
});
