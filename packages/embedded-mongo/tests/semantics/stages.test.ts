import { type Document, Double, Long } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { pipelineTables } from '../support/pipeline-cases.ts';
import { useServer } from '../support/server.ts';

const server = useServer();
const { cases, refused } = pipelineTables(server);
const double = (value: number): Double => new Double(value);
const day = (text: string): Date => new Date(`2024-${text}T00:00:00Z`);

const people = [
  { name: 'Dev' },
  { name: 'Eliot', boss: 'Dev' },
  { name: 'Ron', boss: 'Eliot' },
  { name: 'Andrew', boss: 'Eliot' },
  { name: 'Asya', boss: 'Ron' },
];
const chain = { from: 'c', startWith: '$boss', connectFromField: 'boss', connectToField: 'name', as: 'chain' };
const names = { $project: { _id: 0, chain: { $map: { input: '$chain', in: '$$this.name' } } } };

cases('reference/operator/aggregation/graphLookup', [
  [
    'follows the links',
    people,
    [{ $match: { name: 'Asya' } }, { $graphLookup: chain }, names],
    [{ chain: ['Ron', 'Eliot', 'Dev'] }],
  ],
  [
    'maxDepth',
    people,
    [{ $match: { name: 'Asya' } }, { $graphLookup: { ...chain, maxDepth: 1 } }, names],
    [{ chain: ['Ron', 'Eliot'] }],
  ],
  [
    'depthField is a long',
    people,
    [
      { $match: { name: 'Ron' } },
      { $graphLookup: { ...chain, depthField: 'd' } },
      { $project: { _id: 0, 'chain.d': 1 } },
    ],
    [{ chain: [{ d: Long.fromNumber(0) }, { d: Long.fromNumber(1) }] }],
  ],
  [
    'restrictSearchWithMatch',
    people,
    [
      { $match: { name: 'Asya' } },
      { $graphLookup: { ...chain, restrictSearchWithMatch: { name: { $ne: 'Eliot' } } } },
      names,
    ],
    [{ chain: ['Ron'] }],
  ],
  [
    'a circle ends',
    [
      { name: 'a', boss: 'b' },
      { name: 'b', boss: 'a' },
    ],
    [{ $match: { name: 'a' } }, { $graphLookup: chain }, names],
    [{ chain: ['b', 'a'] }],
  ],
]);

const numbers = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => ({ n }));

cases('reference/operator/aggregation/bucketAuto', [
  [
    'even buckets',
    numbers,
    [{ $bucketAuto: { groupBy: '$n', buckets: 4 } }],
    [
      { _id: { min: 1, max: 3 }, count: 2 },
      { _id: { min: 3, max: 5 }, count: 2 },
      { _id: { min: 5, max: 7 }, count: 2 },
      { _id: { min: 7, max: 8 }, count: 2 },
    ],
  ],
  [
    'equal values stay together',
    [{ n: 1 }, { n: 1 }, { n: 1 }, { n: 2 }],
    [{ $bucketAuto: { groupBy: '$n', buckets: 2 } }],
    [
      { _id: { min: 1, max: 2 }, count: 3 },
      { _id: { min: 2, max: 2 }, count: 1 },
    ],
  ],
  [
    'output',
    numbers,
    [{ $bucketAuto: { groupBy: '$n', buckets: 2, output: { sum: { $sum: '$n' } } } }],
    [
      { _id: { min: 1, max: 5 }, sum: 10 },
      { _id: { min: 5, max: 8 }, sum: 26 },
    ],
  ],
  [
    'granularity of powers of two',
    [{ n: 0 }, { n: 3 }, { n: 5 }, { n: 9 }],
    [{ $bucketAuto: { groupBy: '$n', buckets: 2, granularity: 'POWERSOF2' } }],
    [
      { _id: { min: double(0), max: double(4) }, count: 2 },
      { _id: { min: double(4), max: double(16) }, count: 2 },
    ],
  ],
]);

cases('reference/operator/aggregation/redact', [
  [
    'prunes by level',
    [{ level: 1, a: { level: 5, x: 1 }, b: { level: 2, c: [{ level: 9 }, { level: 1, y: 2 }] } }],
    [{ $redact: { $cond: [{ $gt: ['$level', 3] }, '$$PRUNE', '$$DESCEND'] } }],
    [{ _id: 0, level: 1, b: { level: 2, c: [{ level: 1, y: 2 }] } }],
  ],
  ['keeps without looking further', [{ a: { b: 1 } }], [{ $redact: '$$KEEP' }], [{ _id: 0, a: { b: 1 } }]],
]);

cases('reference/operator/aggregation/densify', [
  [
    'full',
    [{ n: 1 }, { n: 4 }],
    [{ $densify: { field: 'n', range: { step: 1, bounds: 'full' } } }],
    [{ _id: 0, n: 1 }, { n: 2 }, { n: 3 }, { _id: 1, n: 4 }],
  ],
  [
    'off the grid',
    [{ n: 1 }, { n: 2.5 }, { n: 4 }],
    [{ $densify: { field: 'n', range: { step: 2, bounds: 'full' } } }, { $project: { _id: 0 } }],
    [{ n: 1 }, { n: double(2.5) }, { n: 3 }, { n: 4 }],
  ],
  [
    'bounds leave the upper end out',
    [{ n: 2 }, { n: 9 }],
    [{ $densify: { field: 'n', range: { step: 1, bounds: [1, 4] } } }],
    [{ n: 1 }, { _id: 0, n: 2 }, { n: 3 }, { _id: 1, n: 9 }],
  ],
  [
    'partitions',
    [
      { p: 'a', n: 1 },
      { p: 'a', n: 3 },
      { p: 'b', n: 1 },
      { p: 'b', n: 2 },
    ],
    [
      { $densify: { field: 'n', partitionByFields: ['p'], range: { step: 1, bounds: 'partition' } } },
      { $project: { _id: 0 } },
    ],
    [
      { p: 'a', n: 1 },
      { p: 'a', n: 2 },
      { p: 'a', n: 3 },
      { p: 'b', n: 1 },
      { p: 'b', n: 2 },
    ],
  ],
  [
    'months',
    [{ t: day('01-31') }, { t: day('03-31') }],
    [{ $densify: { field: 't', range: { step: 1, unit: 'month', bounds: 'full' } } }, { $project: { _id: 0 } }],
    [{ t: day('01-31') }, { t: day('02-29') }, { t: day('03-31') }],
  ],
  [
    'null and missing pass',
    [{}, { n: null }],
    [{ $densify: { field: 'n', range: { step: 1, bounds: 'full' } } }],
    [{ _id: 0 }, { _id: 1, n: null }],
  ],
]);

cases('reference/operator/aggregation/fill', [
  [
    'a value',
    [{ n: null }, { n: 2 }, {}],
    [{ $fill: { output: { n: { value: 0 } } } }],
    [
      { _id: 0, n: 0 },
      { _id: 1, n: 2 },
      { _id: 2, n: 0 },
    ],
  ],
  [
    'locf',
    [{ n: 1 }, { n: null }, {}, { n: 2 }],
    [{ $fill: { sortBy: { _id: 1 }, output: { n: { method: 'locf' } } } }, { $project: { _id: 0 } }],
    [{ n: 1 }, { n: 1 }, { n: 1 }, { n: 2 }],
  ],
  [
    'linear, by partition',
    [
      { p: 1, n: 1 },
      { p: 1, n: null },
      { p: 1, n: 3 },
      { p: 2, n: null },
    ],
    [
      { $fill: { partitionByFields: ['p'], sortBy: { _id: 1 }, output: { n: { method: 'linear' } } } },
      { $project: { _id: 0, n: 1 } },
    ],
    [{ n: 1 }, { n: double(2) }, { n: 3 }, { n: null }],
  ],
]);

const window = (output: Document, sortBy: Document = { _id: 1 }): Document[] => [
  { $setWindowFields: { sortBy, output: { r: output } } },
  { $project: { _id: 0, r: 1 } },
];
const rs = (...values: unknown[]): Document[] => values.map((r) => ({ r }));
const scores = [10, 20, 20, 30].map((s) => ({ s }));

cases('reference/operator/aggregation/setWindowFields', [
  ['$rank', scores, window({ $rank: {} }, { s: 1 }), rs(1, 2, 2, 4)],
  ['$denseRank', scores, window({ $denseRank: {} }, { s: 1 }), rs(1, 2, 2, 3)],
  ['$documentNumber', scores, window({ $documentNumber: {} }, { s: -1 }), rs(1, 2, 3, 4)],
  ['$shift', scores, window({ $shift: { output: '$s', by: 1, default: 'none' } }), rs(20, 20, 30, 'none')],
  ['$shift backwards', scores, window({ $shift: { output: '$s', by: -1 } }), rs(null, 10, 20, 20)],
  [
    'cumulative sum',
    scores,
    window({ $sum: '$s', window: { documents: ['unbounded', 'current'] } }),
    rs(10, 30, 50, 80),
  ],
  ['the whole partition', scores, window({ $sum: '$s' }), rs(80, 80, 80, 80)],
  [
    'moving average',
    scores,
    window({ $avg: '$s', window: { documents: [-1, 0] } }),
    rs(...[10, 15, 20, 25].map(double)),
  ],
  ['an empty window', scores, window({ $sum: '$s', window: { documents: [2, 3] } }), rs(50, 30, 0, 0)],
  ['range of numbers', scores, window({ $sum: '$s', window: { range: [-10, 0] } }, { s: 1 }), rs(10, 50, 50, 70)],
  [
    'range of time',
    [{ t: day('01-01') }, { t: day('01-02') }, { t: day('01-09') }],
    window({ $count: {}, window: { range: [-7, 0], unit: 'day' } }, { t: 1 }),
    rs(1, 2, 2),
  ],
  [
    '$push',
    scores,
    window({ $push: '$s', window: { documents: [-1, 'current'] } }),
    rs([10], [10, 20], [20, 20], [20, 30]),
  ],
  [
    'a growing list stays what it was',
    scores,
    window({ $push: '$s', window: { documents: ['unbounded', 'current'] } }),
    rs([10], [10, 20], [10, 20, 20], [10, 20, 20, 30]),
  ],
  [
    '$min of what follows',
    scores,
    window({ $min: '$s', window: { documents: ['current', 'unbounded'] } }),
    rs(10, 20, 20, 30),
  ],
  [
    '$expMovingAvg',
    [{ s: 1 }, { s: 2 }, { s: 4 }],
    window({ $expMovingAvg: { input: '$s', N: 3 } }),
    rs(...[1, 1.5, 2.75].map(double)),
  ],
  [
    '$expMovingAvg by alpha',
    [{ s: 1 }, { s: 2 }],
    window({ $expMovingAvg: { input: '$s', alpha: 0.25 } }),
    rs(...[1, 1.25].map(double)),
  ],
  [
    '$derivative',
    [
      { x: 0, y: 0 },
      { x: 2, y: 6 },
      { x: 3, y: 7 },
    ],
    window({ $derivative: { input: '$y' }, window: { documents: [-1, 0] } }, { x: 1 }),
    rs(null, double(3), double(1)),
  ],
  [
    '$derivative by the hour',
    [
      { t: day('01-01'), y: 0 },
      { t: day('01-02'), y: 48 },
    ],
    window({ $derivative: { input: '$y', unit: 'hour' }, window: { documents: [-1, 0] } }, { t: 1 }),
    rs(null, double(2)),
  ],
  [
    '$integral',
    [
      { x: 0, y: 2 },
      { x: 2, y: 4 },
    ],
    window({ $integral: { input: '$y' }, window: { documents: ['unbounded', 'current'] } }, { x: 1 }),
    rs(0, double(6)),
  ],
  [
    '$covariancePop',
    [
      { x: 1, y: 2 },
      { x: 3, y: 6 },
    ],
    window({ $covariancePop: ['$x', '$y'] }),
    rs(double(2), double(2)),
  ],
  [
    '$covarianceSamp',
    [
      { x: 1, y: 2 },
      { x: 3, y: 6 },
    ],
    window({ $covarianceSamp: ['$x', '$y'] }),
    rs(double(4), double(4)),
  ],
  ['$locf', [{ s: 1 }, { s: null }, {}], window({ $locf: '$s' }), rs(1, 1, 1)],
  ['$linearFill', [{ s: 1 }, {}, { s: 5 }, {}], window({ $linearFill: '$s' }), rs(1, double(3), 5, null)],
  [
    'partitions',
    [
      { p: 'b', s: 1 },
      { p: 'a', s: 2 },
      { p: 'b', s: 3 },
    ],
    [{ $setWindowFields: { partitionBy: '$p', sortBy: { s: -1 }, output: { 'r.n': { $documentNumber: {} } } } }],
    [
      { _id: 1, p: 'a', s: 2, r: { n: 1 } },
      { _id: 2, p: 'b', s: 3, r: { n: 1 } },
      { _id: 0, p: 'b', s: 1, r: { n: 2 } },
    ],
  ],
]);

const group = (accumulator: Document): Document[] => [
  { $sort: { _id: 1 } },
  { $group: { _id: null, r: accumulator } },
  { $project: { _id: 0, r: 1 } },
];
const games = [{ p: 'a', s: 5 }, { p: 'b', s: 9 }, { p: 'c', s: 7 }, { p: 'd' }];

cases('reference/operator/aggregation/group (N forms and percentiles)', [
  ['$firstN', games, group({ $firstN: { n: 2, input: '$s' } }), rs([5, 9])],
  ['$lastN with missing as null', games, group({ $lastN: { n: 2, input: '$s' } }), rs([7, null])],
  ['$minN without missing', games, group({ $minN: { n: 2, input: '$s' } }), rs([5, 7])],
  ['$maxN', games, group({ $maxN: { n: 2, input: '$s' } }), rs([9, 7])],
  ['$top', games, group({ $top: { sortBy: { s: -1 }, output: '$p' } }), rs('b')],
  [
    '$topN',
    games,
    group({ $topN: { n: 2, sortBy: { s: -1 }, output: ['$p', '$s'] } }),
    rs([
      ['b', 9],
      ['c', 7],
    ]),
  ],
  ['$bottom', games, group({ $bottom: { sortBy: { s: -1 }, output: '$p' } }), rs('d')],
  ['$bottomN', games, group({ $bottomN: { n: 2, sortBy: { s: -1 }, output: '$p' } }), rs(['a', 'd'])],
  ['$median', games, group({ $median: { input: '$s', method: 'approximate' } }), rs(double(7))],
  [
    '$percentile',
    numbers,
    group({ $percentile: { input: '$n', p: [0.25, 0.5, 1], method: 'approximate' } }),
    rs([double(2), double(4), double(8)]),
  ],
  ['$concatArrays', [{ l: [1] }, { l: [2, 1] }], group({ $concatArrays: '$l' }), rs([1, 2, 1])],
  ['$setUnion', [{ l: [1] }, { l: [2, 1] }], group({ $setUnion: '$l' }), rs([1, 2])],
]);

cases('reference/operator/aggregation/unionWith and lookup', [
  [
    '$unionWith of documents',
    [{ a: 1 }],
    [{ $unionWith: { pipeline: [{ $documents: [{ a: 2 }, { a: { $add: [1, 2] } }] }] } }, { $project: { _id: 0 } }],
    [{ a: 1 }, { a: 2 }, { a: 3 }],
  ],
  [
    '$lookup of documents',
    [{ a: 1 }],
    [{ $lookup: { pipeline: [{ $documents: [{ b: 1 }] }], as: 'x' } }],
    [{ _id: 0, a: 1, x: [{ b: 1 }] }],
  ],
  [
    '$lookup by fields and pipeline',
    [
      { k: 1, n: 5 },
      { k: 1, n: 7 },
    ],
    [
      {
        $lookup: {
          from: 'c',
          localField: 'k',
          foreignField: 'k',
          let: { n: '$n' },
          pipeline: [{ $match: { $expr: { $gt: ['$n', '$$n'] } } }, { $project: { _id: 0, n: 1 } }],
          as: 'more',
        },
      },
      { $project: { _id: 0, more: 1 } },
    ],
    [{ more: [{ n: 7 }] }, { more: [] }],
  ],
]);

refused('reference/operator/aggregation', [
  ['$out before the end', [{ $out: 'x' }, { $match: {} }], 40601],
  ['$documents later on', [{ $match: {} }, { $documents: [] }], 40602],
  ['$documents on a collection', [{ $documents: [] }], 73],
  ['$facet in $facet', [{ $facet: { a: [{ $facet: { b: [] } }] } }], 40600],
  ['$out in $facet', [{ $facet: { a: [{ $out: 'x' }] } }], 40600],
  ['$merge in $lookup', [{ $lookup: { from: 'c', pipeline: [{ $merge: 'x' }], as: 'r' } }], 51047],
  ['$rank without sortBy', [{ $setWindowFields: { output: { r: { $rank: {} } } } }], 5371602],
  ['a window function that is none', [{ $setWindowFields: { output: { r: { $nope: 1 } } } }], 9],
  ['an accumulator that is no window function', [{ $setWindowFields: { output: { r: { $mergeObjects: '$a' } } } }], 9],
  ['$search without a search server', [{ $search: { text: {} } }], 31082],
  ['$collStats of what is unknown', [{ $collStats: { nothing: {} } }], 40415],
  [
    'documents and range',
    [
      {
        $setWindowFields: {
          sortBy: { a: 1 },
          output: { r: { $sum: 1, window: { documents: [0, 0], range: [0, 0] } } },
        },
      },
    ],
    9,
  ],
  ['$bucketAuto without buckets', [{ $bucketAuto: { groupBy: '$a' } }], 40246],
  ['$bucketAuto with no bucket', [{ $bucketAuto: { groupBy: '$a', buckets: 0 } }], 40243],
  [
    '$graphLookup without from',
    [{ $graphLookup: { startWith: 1, connectFromField: 'a', connectToField: 'b', as: 'c' } }],
    40105,
  ],
  ['$redact to something else', [{ $redact: 'x' }], 17053],
  ['$densify by nothing', [{ $densify: { field: 'a', range: { step: 0, bounds: 'full' } } }], 5733401],
  ['$fill by a method without order', [{ $fill: { output: { a: { method: 'locf' } } } }], 9],
  ['$accumulator', [{ $group: { _id: 1, a: { $accumulator: {} } } }], 238],
  ['$percentile of another method', [{ $group: { _id: 1, a: { $median: { input: '$a', method: 'exact' } } } }], 2],
  ['$firstN of none', [{ $group: { _id: 1, a: { $firstN: { n: 0, input: '$a' } } } }], 5787908],
]);

describe('reference/operator/aggregation/merge', () => {
  const source = [
    { _id: 1, a: 1, b: 1 },
    { _id: 2, a: 2 },
  ];
  const target = [
    { _id: 1, b: 5, c: 5 },
    { _id: 9, c: 9 },
  ];
  const kept = { _id: 9, c: 9 };
  const list: [name: string, options: Document, result: Document[]][] = [
    ['merges and inserts', {}, [{ _id: 1, b: 1, c: 5, a: 1 }, { _id: 2, a: 2 }, kept]],
    ['replaces', { whenMatched: 'replace' }, [{ _id: 1, a: 1, b: 1 }, { _id: 2, a: 2 }, kept]],
    ['keeps', { whenMatched: 'keepExisting' }, [{ _id: 1, b: 5, c: 5 }, { _id: 2, a: 2 }, kept]],
    ['discards', { whenNotMatched: 'discard' }, [{ _id: 1, b: 1, c: 5, a: 1 }, kept]],
    [
      'by a pipeline',
      { whenMatched: [{ $set: { b: { $add: ['$b', '$$new.b'] } } }] },
      [{ _id: 1, b: 6, c: 5 }, { _id: 2, a: 2 }, kept],
    ],
    [
      'by a pipeline with let',
      { let: { x: '$a' }, whenMatched: [{ $set: { x: '$$x' } }] },
      [{ _id: 1, b: 5, c: 5, x: 1 }, { _id: 2, a: 2 }, kept],
    ],
  ];
  test.each(list)('%s', async (_name, options, result) => {
    const db = server().freshDb();
    await db.collection('s').insertMany(source as never[]);
    await db.collection('t').insertMany(target as never[]);
    const left = await db
      .collection('s')
      .aggregate([{ $merge: { into: 't', ...options } }])
      .toArray();
    expect(left).toEqual([]);
    expect(await db.collection('t').find().sort({ _id: 1 }).toArray()).toEqual(result);
  });

  const wrong: [name: string, options: Document, code: number][] = [
    ['whenMatched fail', { whenMatched: 'fail' }, 11000],
    ['whenNotMatched fail', { whenNotMatched: 'fail' }, 13113],
    ['on without a unique index', { on: 'a' }, 51183],
    ['a mode that is none', { whenMatched: 'x' }, 9],
  ];
  test.each(wrong)('refused: %s', async (_name, options, code) => {
    const db = server().freshDb();
    await db.collection('s').insertMany(source as never[]);
    await db.collection('t').insertMany(target as never[]);
    const run = db
      .collection('s')
      .aggregate([{ $merge: { into: 't', ...options } }])
      .toArray();
    await expect(run).rejects.toMatchObject({ code });
  });

  test('on other fields, with a unique index', async () => {
    const db = server().freshDb();
    await db.collection('t').createIndex({ k: 1 }, { unique: true });
    await db.collection('t').insertOne({ k: 1, n: 1 });
    await db.collection('s').insertMany([
      { k: 1, n: 2 },
      { k: 2, n: 3 },
    ]);
    await db
      .collection('s')
      .aggregate([{ $unset: '_id' }, { $merge: { into: 't', on: 'k' } }])
      .toArray();
    expect(
      await db
        .collection('t')
        .find({}, { projection: { _id: 0 } })
        .sort({ k: 1 })
        .toArray(),
    ).toEqual([
      { k: 1, n: 2 },
      { k: 2, n: 3 },
    ]);
  });
});

describe('reference/operator/aggregation/out', () => {
  test('replaces the collection and keeps its indexes', async () => {
    const db = server().freshDb();
    await db.collection('s').insertMany([{ n: 1 }, { n: 2 }]);
    await db.collection('t').insertOne({ n: 9 });
    await db.collection('t').createIndex({ n: 1 }, { unique: true });
    await db
      .collection('s')
      .aggregate([{ $project: { _id: 0, n: 1 } }, { $out: 't' }])
      .toArray();
    expect(await db.collection('t').distinct('n')).toEqual([1, 2]);
    expect((await db.collection('t').indexes()).map(({ name }) => name)).toEqual(['_id_', 'n_1']);
  });

  test('explaining it writes nothing', async () => {
    const db = server().freshDb();
    await db.collection('s').insertMany([{ n: 1 }, { n: 2 }]);
    const plan = await db
      .collection('s')
      .aggregate([{ $match: { n: 1 } }, { $out: 't' }])
      .explain('executionStats');
    expect(plan).toMatchObject({ executionStats: { nReturned: 1 } });
    expect(await db.collection('t').countDocuments()).toBe(0);
  });

  test('a unique index that refuses leaves the old collection', async () => {
    const db = server().freshDb();
    await db.collection('s').insertMany([{ n: 1 }, { n: 1 }]);
    await db.collection('t').insertOne({ n: 9 });
    await db.collection('t').createIndex({ n: 1 }, { unique: true });
    await expect(
      db
        .collection('s')
        .aggregate([{ $out: 't' }])
        .toArray(),
    ).rejects.toMatchObject({ code: 11000 });
    expect(await db.collection('t').distinct('n')).toEqual([9]);
    expect((await db.listCollections().toArray()).map(({ name }) => name).sort()).toEqual(['s', 't']);
  });
});

describe('reference/operator/aggregation/documents, collStats and indexStats', () => {
  test('documents of no collection', async () => {
    const found = await server()
      .freshDb()
      .aggregate([{ $documents: [{ x: 1 }] }, { $set: { y: 2 } }])
      .toArray();
    expect(found).toEqual([{ x: 1, y: 2 }]);
  });
  test('statistics', async () => {
    const collection = server().freshDb().collection('c');
    await collection.insertOne({ a: 1 });
    const [stats] = await collection.aggregate([{ $collStats: { count: {}, storageStats: {} } }]).toArray();
    expect(stats).toMatchObject({ count: 1, storageStats: { count: 1, nindexes: 1 } });
    const [index] = await collection.aggregate([{ $indexStats: {} }]).toArray();
    expect(index).toMatchObject({ name: '_id_', key: { _id: 1 } });
    await collection.createIndex({ a: 1 });
    const used = async (name: string): Promise<number> =>
      (await collection.aggregate([{ $indexStats: {} }, { $match: { name } }]).next())?.accesses.ops;
    expect(await used('a_1')).toBe(0);
    await collection.findOne({ a: 1 });
    await collection.updateOne({ a: 1 }, { $set: { b: 1 } });
    await collection.findOne({ b: 1 });
    expect(await used('a_1')).toBe(2);
  });
});

describe('core/views', () => {
  test('reads go through the pipeline, writes are refused', async () => {
    const db = server().freshDb();
    await db.collection('c').insertMany([1, 2, 3, 4].map((n) => ({ n, w: 'x' })));
    await db.createCollection('big', { viewOn: 'c', pipeline: [{ $match: { n: { $gt: 1 } } }, { $unset: 'w' }] });
    await db.createCollection('even', { viewOn: 'big', pipeline: [{ $match: { n: { $mod: [2, 0] } } }] });
    const big = db.collection('big');
    expect(
      await big
        .find({ n: { $lt: 4 } }, { projection: { _id: 0 } })
        .sort({ n: -1 })
        .toArray(),
    ).toEqual([{ n: 3 }, { n: 2 }]);
    expect(await db.collection('even').countDocuments()).toBe(2);
    expect(await big.estimatedDocumentCount()).toBe(3);
    expect(await db.collection('even').distinct('n')).toEqual([2, 4]);
    const joined = await big.aggregate([
      { $match: { n: 2 } },
      { $lookup: { from: 'even', localField: 'n', foreignField: 'n', as: 'e' } },
    ]);
    expect((await joined.toArray())[0]?.e).toHaveLength(1);
    const listed = await db.listCollections({ name: 'big' }).toArray();
    expect(listed[0]).toMatchObject({ type: 'view', options: { viewOn: 'c' } });
    const code = 166;
    await expect(big.insertOne({ n: 9 })).rejects.toMatchObject({ code });
    await expect(big.updateOne({}, { $set: { n: 9 } })).rejects.toMatchObject({ code });
    await expect(big.deleteMany({})).rejects.toMatchObject({ code });
    await expect(big.findOneAndDelete({})).rejects.toMatchObject({ code });
    await expect(big.createIndex({ n: 1 })).rejects.toMatchObject({ code });
    await expect(
      db
        .collection('c')
        .aggregate([{ $out: 'big' }])
        .toArray(),
    ).rejects.toMatchObject({ code });
    await expect(big.rename('bigger')).rejects.toMatchObject({ code });
    await expect(big.find({}, { collation: { locale: 'en' } }).toArray()).rejects.toMatchObject({ code: 167 });
    await db.command({ collMod: 'big', viewOn: 'c', pipeline: [{ $match: { n: 4 } }] });
    expect(await big.countDocuments()).toBe(1);
    const writing = db.createCollection('w', { viewOn: 'c', pipeline: [{ $out: 'x' }] });
    await expect(writing).rejects.toMatchObject({ code: 167 });
    const counted = await db.command({ explain: { count: 'big', query: {} } });
    expect(counted).toMatchObject({ executionStats: { nReturned: 1 } });
    await big.drop();
    expect(await db.collection('c').countDocuments()).toBe(4);
  });
});
