import { EJSON } from 'bson';
import { Decimal128, type Document, Double, Long, ObjectId } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { useServer } from '../support/server.ts';

const server = useServer();
const long = (value: number | string): Long => Long.fromString(String(value));
const decimal = (text: string): Decimal128 => Decimal128.fromString(text);
const date = (text: string): Date => new Date(text);

/** An object literal with a `then` would look like a promise to some tools. */
const fields = (...entries: [string, unknown][]): Document => Object.fromEntries(entries);

const FIELDS = {
  int: 5,
  long: long(5),
  double: 2.5,
  decimal: decimal('2.5'),
  text: 'Hello, World',
  nothing: null,
  list: [3, 1, 2],
  docs: [
    { k: 'a', v: 1 },
    { k: 'b', v: 2 },
  ],
  doc: { x: 1, y: { z: 2 } },
  at: date('2024-03-10T13:14:15.678Z'),
  id: new ObjectId('650000000000000000000001'),
};

const MISSING = Symbol('missing');

/** An expression on the fields above, and its value with its type; `MISSING` when there is none. */
function cases(page: string, list: [name: string, expression: unknown, value: unknown][]): void {
  describe(page, () => {
    test.each(list)('%s', async (_name, expression, value) => {
      const collection = server().freshDb().collection('c');
      await collection.insertOne({ ...FIELDS });
      const [doc] = await collection
        .aggregate([{ $project: { _id: 0, r: expression } }], { promoteValues: false })
        .toArray();
      const expected = value === MISSING ? {} : { r: value };
      expect(EJSON.stringify(doc, { relaxed: false })).toBe(EJSON.stringify(expected, { relaxed: false }));
    });
  });
}

function refused(page: string, list: [name: string, expression: unknown, code: number][]): void {
  describe(`${page} (refused)`, () => {
    test.each(list)('%s', async (_name, expression, code) => {
      const collection = server().freshDb().collection('c');
      await collection.insertOne({ ...FIELDS });
      await expect(collection.aggregate([{ $project: { r: expression } }]).toArray()).rejects.toMatchObject({ code });
    });
  });
}

cases('reference/operator/aggregation, arithmetic', [
  ['$add of ints', { $add: ['$int', 1] }, 6],
  ['$add of int and long', { $add: ['$int', '$long'] }, long(10)],
  ['$add of int and double', { $add: ['$int', '$double'] }, 7.5],
  ['$add of whole doubles stays double', { $add: [new Double(1), new Double(2)] }, new Double(3)],
  ['$add of decimal', { $add: ['$int', '$decimal'] }, decimal('7.5')],
  ['$add overflows to long', { $add: [2147483647, 1] }, long(2147483648)],
  ['$add to a date', { $add: ['$at', 1000] }, date('2024-03-10T13:14:16.678Z')],
  ['$add of null', { $add: ['$int', null] }, null],
  ['$add of missing', { $add: ['$int', '$absent'] }, null],
  ['$add of nothing', { $add: [] }, 0],
  ['$subtract', { $subtract: ['$int', 7] }, -2],
  ['$subtract of dates', { $subtract: ['$at', date('2024-03-10T13:14:15.000Z')] }, long(678)],
  ['$subtract from a date', { $subtract: ['$at', 678] }, date('2024-03-10T13:14:15.000Z')],
  ['$multiply', { $multiply: ['$int', 3] }, 15],
  ['$multiply overflows to long', { $multiply: [2147483647, 2] }, long(4294967294)],
  ['$divide is double', { $divide: [6, 3] }, new Double(2)],
  ['$divide of decimals', { $divide: [decimal('1'), decimal('3')] }, decimal('0.3333333333333333333333333333333333')],
  ['$mod', { $mod: [-7, 3] }, -1],
  ['$mod of double', { $mod: [5.5, 2] }, 1.5],
  ['$abs', { $abs: -5 }, 5],
  ['$ceil keeps the type', { $ceil: '$double' }, new Double(3)],
  ['$floor of int', { $floor: '$int' }, 5],
  ['$round to even', { $round: 2.5 }, new Double(2)],
  ['$round to even, odd', { $round: 3.5 }, new Double(4)],
  ['$round to places', { $round: [1.2345, 2] }, 1.23],
  ['$round to tens', { $round: [15, -1] }, 20],
  ['$trunc', { $trunc: [-1.99, 1] }, -1.9],
  ['$pow', { $pow: [2, 10] }, 1024],
  ['$pow with a negative exponent', { $pow: [2, -1] }, 0.5],
  ['$sqrt', { $sqrt: 16 }, new Double(4)],
  ['$exp, $ln', { $ln: { $exp: 1 } }, new Double(1)],
  ['$log10', { $log10: 1000 }, new Double(3)],
  ['$log', { $log: [8, 2] }, new Double(3)],
  ['decimals add without error', { $add: [decimal('0.1'), decimal('0.2')] }, decimal('0.3')],
]);
refused('reference/operator/aggregation, arithmetic', [
  ['$add of a string', { $add: ['$int', '$text'] }, 14],
  ['$divide by zero', { $divide: [1, 0] }, 2],
  ['$mod by zero', { $mod: [1, 0] }, 16610],
  ['$subtract of a string', { $subtract: ['$text', 1] }, 14],
  ['too few operands', { $subtract: [1] }, 16020],
  ['an unknown operator', { $foo: 1 }, 168],
  ['two operators in one', { $add: [1], $subtract: [1, 1] }, 15983],
]);

cases('reference/operator/aggregation, comparison and boolean', [
  ['$eq across types of number', { $eq: ['$int', '$long'] }, true],
  ['$eq of null and missing', { $eq: ['$nothing', '$absent'] }, false],
  ['$gt of different types', { $gt: ['$text', '$int'] }, true],
  ['$lt of missing', { $lt: ['$absent', null] }, true],
  ['$cmp', { $cmp: [1, 2] }, -1],
  ['$and', { $and: ['$int', true, 'x'] }, true],
  ['$and of nothing', { $and: [] }, true],
  ['$or of zero and null', { $or: [0, null] }, false],
  ['$not', { $not: [0] }, true],
  [
    '$cond in both forms',
    { $cond: fields(['if', { $gt: ['$int', 3] }], ['then', { $cond: [false, 1, 2] }], ['else', 3]) },
    2,
  ],
  ['$cond with a missing branch', { $cond: [true, '$absent', 1] }, MISSING],
  ['$ifNull', { $ifNull: ['$absent', '$nothing', 7] }, 7],
  ['$ifNull keeps zero', { $ifNull: [0, 1] }, 0],
  [
    '$switch',
    {
      $switch: {
        branches: [
          fields(['case', { $eq: ['$int', 1] }], ['then', 'a']),
          fields(['case', { $eq: ['$int', 5] }], ['then', 'b']),
        ],
        default: 'c',
      },
    },
    'b',
  ],
]);
refused('reference/operator/aggregation, conditional', [
  ['$switch without a match', { $switch: { branches: [fields(['case', false], ['then', 1])] } }, 40066],
  ['$in of no array', { $in: [1, '$int'] }, 40081],
]);

cases('reference/operator/aggregation, variables and literals', [
  ['$let', { $let: { vars: { a: '$int', b: 2 }, in: { $multiply: ['$$a', '$$b'] } } }, 10],
  [
    '$let does not see its own variables',
    { $let: { vars: { a: 1 }, in: { $let: { vars: { a: 2, b: '$$a' }, in: '$$b' } } } },
    1,
  ],
  ['$literal', { $literal: { $add: [1, 2] } }, { $add: [1, 2] }],
  ['$$ROOT', '$$ROOT.int', 5],
  ['$$CURRENT', '$$CURRENT.doc.x', 1],
  ['a document of expressions', { a: '$int', b: { c: { $add: [1, 1] } } }, { a: 5, b: { c: 2 } }],
  ['an array of expressions', ['$int', '$absent'], [5, null]],
  ['a path through an array', '$docs.v', [1, 2]],
  ['a path through a scalar', '$int.x', MISSING],
]);

cases('reference/operator/aggregation, arrays', [
  ['$size', { $size: '$list' }, 3],
  ['$arrayElemAt', { $arrayElemAt: ['$list', -1] }, 2],
  ['$arrayElemAt out of bounds', { $arrayElemAt: ['$list', 9] }, MISSING],
  ['$first, $last', [{ $first: '$list' }, { $last: '$list' }], [3, 2]],
  ['$in', { $in: [new Double(2), '$list'] }, true],
  ['$concatArrays', { $concatArrays: ['$list', [9]] }, [3, 1, 2, 9]],
  ['$concatArrays of null', { $concatArrays: ['$list', null] }, null],
  ['$slice', { $slice: ['$list', 1, 2] }, [1, 2]],
  ['$slice from the end', { $slice: ['$list', -2] }, [1, 2]],
  ['$filter', { $filter: { input: '$list', as: 'n', cond: { $gte: ['$$n', 2] } } }, [3, 2]],
  ['$filter with a limit', { $filter: { input: '$list', cond: true, limit: 1 } }, [3]],
  ['$map', { $map: { input: '$list', as: 'n', in: { $multiply: ['$$n', 2] } } }, [6, 2, 4]],
  ['$map with $$this', { $map: { input: '$docs', in: '$$this.k' } }, ['a', 'b']],
  [
    '$map nested',
    {
      $map: {
        input: [[1], [2]],
        as: 'a',
        in: { $map: { input: '$$a', as: 'b', in: { $add: ['$$b', { $size: '$$a' }] } } },
      },
    },
    [[2], [3]],
  ],
  ['$reduce', { $reduce: { input: '$list', initialValue: 0, in: { $add: ['$$value', '$$this'] } } }, 6],
  ['$range', { $range: [0, 10, 4] }, [0, 4, 8]],
  ['$reverseArray', { $reverseArray: '$list' }, [2, 1, 3]],
  ['$sortArray', { $sortArray: { input: '$list', sortBy: 1 } }, [1, 2, 3]],
  [
    '$sortArray by a field',
    { $sortArray: { input: '$docs', sortBy: { v: -1 } } },
    [
      { k: 'b', v: 2 },
      { k: 'a', v: 1 },
    ],
  ],
  ['$indexOfArray', { $indexOfArray: ['$list', 2] }, 2],
  ['$isArray', [{ $isArray: '$list' }, { $isArray: '$int' }], [true, false]],
  [
    '$zip',
    { $zip: { inputs: [[1, 2], ['a']], useLongestLength: true, defaults: [0, 'z'] } },
    [
      [1, 'a'],
      [2, 'z'],
    ],
  ],
  ['$sum, $avg, $max of a list', [{ $sum: '$list' }, { $avg: '$list' }, { $max: '$list' }], [6, new Double(2), 3]],
  [
    '$setUnion',
    {
      $setUnion: [
        [2, 1],
        [1, 3],
      ],
    },
    [1, 2, 3],
  ],
  [
    '$setIntersection',
    {
      $setIntersection: [
        [1, 2],
        [2, 3],
      ],
    },
    [2],
  ],
  ['$setDifference', { $setDifference: [[1, 2], [2]] }, [1]],
  ['$setIsSubset', { $setIsSubset: [[1], [1, 2]] }, true],
  ['$anyElementTrue', { $anyElementTrue: [[0, 1]] }, true],
]);

cases('reference/operator/aggregation, objects', [
  ['$mergeObjects', { $mergeObjects: ['$doc', { x: 9, w: 1 }, null] }, { x: 9, y: { z: 2 }, w: 1 }],
  [
    '$objectToArray',
    { $objectToArray: '$doc' },
    [
      { k: 'x', v: 1 },
      { k: 'y', v: { z: 2 } },
    ],
  ],
  ['$arrayToObject', { $arrayToObject: '$docs' }, { a: 1, b: 2 }],
  [
    '$arrayToObject of pairs',
    {
      $arrayToObject: [
        [
          ['p', 1],
          ['q', 2],
        ],
      ],
    },
    { p: 1, q: 2 },
  ],
  ['$getField', { $getField: { field: 'x', input: '$doc' } }, 1],
  ['$getField of the document', { $getField: 'int' }, 5],
  ['$setField', { $setField: { field: 'a.b', input: '$doc', value: 1 } }, { x: 1, y: { z: 2 }, 'a.b': 1 }],
  ['$unsetField', { $unsetField: { field: 'x', input: '$doc' } }, { y: { z: 2 } }],
]);

cases('reference/operator/aggregation, types', [
  [
    '$type',
    [{ $type: '$int' }, { $type: '$long' }, { $type: '$double' }, { $type: '$absent' }, { $type: '$id' }],
    ['int', 'long', 'double', 'missing', 'objectId'],
  ],
  ['$isNumber', [{ $isNumber: '$decimal' }, { $isNumber: '$text' }], [true, false]],
  ['$toInt', { $toInt: '42' }, 42],
  ['$toInt truncates', { $toInt: -1.9 }, -1],
  ['$toLong', { $toLong: '$at' }, long(1710076455678)],
  ['$toDouble', { $toDouble: '1.5e3' }, new Double(1500)],
  ['$toDecimal', { $toDecimal: '1.10' }, decimal('1.10')],
  [
    '$toString',
    [{ $toString: '$int' }, { $toString: '$double' }, { $toString: true }, { $toString: '$id' }, { $toString: '$at' }],
    ['5', '2.5', 'true', '650000000000000000000001', '2024-03-10T13:14:15.678Z'],
  ],
  ['$toBool', [{ $toBool: 0 }, { $toBool: 'false' }, { $toBool: null }], [false, true, null]],
  ['$toObjectId', { $toObjectId: '650000000000000000000001' }, new ObjectId('650000000000000000000001')],
  ['$toDate', [{ $toDate: long(5) }, { $toDate: '2024-01-02T03:04:05Z' }], [new Date(5), date('2024-01-02T03:04:05Z')]],
  ['$convert with onError', { $convert: { input: 'x', to: 'int', onError: 'bad', onNull: 0 } }, 'bad'],
  ['$convert with onNull', { $convert: { input: '$absent', to: 'int', onNull: 0 } }, 0],
]);
refused('reference/operator/aggregation, types', [
  ['$toInt of words', { $toInt: 'x' }, 241],
  ['$toInt out of range', { $toInt: long('3000000000') }, 241],
  ['$toDate of words', { $toDate: 'x' }, 241],
  ['$size of no array', { $size: '$int' }, 17124],
]);

cases('reference/operator/aggregation, strings', [
  ['$concat', { $concat: ['$text', '!'] }, 'Hello, World!'],
  ['$concat of null', { $concat: ['a', null] }, null],
  ['$toUpper, $toLower', [{ $toUpper: 'aé' }, { $toLower: 'AÉ' }], ['Aé', 'aÉ']],
  ['$substrCP', { $substrCP: ['h😀llo', 1, 2] }, '😀l'],
  ['$substrBytes', { $substrBytes: ['hello', 1, 3] }, 'ell'],
  ['$strLenCP, $strLenBytes', [{ $strLenCP: '😀é' }, { $strLenBytes: '😀é' }], [2, 6]],
  ['$split', { $split: ['a,b,c', ','] }, ['a', 'b', 'c']],
  [
    '$trim',
    [{ $trim: { input: '  x ' } }, { $ltrim: { input: 'xxa', chars: 'x' } }, { $rtrim: { input: 'axx', chars: 'x' } }],
    ['x', 'a', 'a'],
  ],
  [
    '$replaceOne, $replaceAll',
    [
      { $replaceOne: { input: 'aaa', find: 'a', replacement: { $literal: '$&' } } },
      { $replaceAll: { input: 'aaa', find: 'a', replacement: 'b' } },
    ],
    ['$&aa', 'bbb'],
  ],
  ['$indexOfCP', { $indexOfCP: ['$text', 'World'] }, 7],
  ['$strcasecmp', { $strcasecmp: ['abc', 'ABD'] }, -1],
  ['$regexMatch', { $regexMatch: { input: '$text', regex: /world/i } }, true],
  [
    '$regexFind',
    { $regexFind: { input: 'a1b22', regex: '([a-z])(\\d+)' } },
    { match: 'a1', idx: 0, captures: ['a', '1'] },
  ],
  [
    '$regexFindAll',
    { $regexFindAll: { input: 'a1b22', regex: '\\d+' } },
    [
      { match: '1', idx: 1, captures: [] },
      { match: '22', idx: 3, captures: [] },
    ],
  ],
]);

const shifted = (startDate: string, unit: string, amount: number, timezone?: string): Document => ({
  $dateAdd: { startDate: date(startDate), unit, amount, ...(timezone === undefined ? {} : { timezone }) },
});
const between = (start: string, end: string, unit: string, more: Document = {}): Document => ({
  $dateDiff: { startDate: date(start), endDate: date(end), unit, ...more },
});

cases('reference/operator/aggregation/dateAdd', [
  [
    'a month from the 31st ends with the month',
    shifted('2024-01-31T10:00:00Z', 'month', 1),
    date('2024-02-29T10:00:00Z'),
  ],
  ['a month in a common year', shifted('2023-01-31T10:00:00Z', 'month', 1), date('2023-02-28T10:00:00Z')],
  ['31 May to 30 June', shifted('2024-05-31T00:00:00Z', 'month', 1), date('2024-06-30T00:00:00Z')],
  ['months over the year', shifted('2023-11-30T00:00:00Z', 'month', 3), date('2024-02-29T00:00:00Z')],
  ['months back', shifted('2024-03-31T00:00:00Z', 'month', -1), date('2024-02-29T00:00:00Z')],
  ['a year from a leap day', shifted('2024-02-29T00:00:00Z', 'year', 1), date('2025-02-28T00:00:00Z')],
  ['quarters', shifted('2023-11-30T00:00:00Z', 'quarter', 1), date('2024-02-29T00:00:00Z')],
  ['weeks and days', shifted('2024-02-28T00:00:00Z', 'week', 1), date('2024-03-06T00:00:00Z')],
  ['hours', shifted('2024-01-01T23:30:00Z', 'hour', 1), date('2024-01-02T00:30:00Z')],
  ['milliseconds', shifted('2024-01-01T00:00:00Z', 'millisecond', -1), date('2023-12-31T23:59:59.999Z')],
  [
    'a day keeps local time through the change to summer time',
    shifted('2024-03-09T12:00:00Z', 'day', 1, 'America/New_York'),
    date('2024-03-10T11:00:00Z'),
  ],
  ['24 hours do not', shifted('2024-03-09T12:00:00Z', 'hour', 24, 'America/New_York'), date('2024-03-10T12:00:00Z')],
  [
    'a month in a zone where it is another day',
    shifted('2024-01-31T23:00:00Z', 'month', 1, '+02:00'),
    date('2024-02-29T23:00:00Z'),
  ],
  ['null', { $dateAdd: { startDate: '$nothing', unit: 'day', amount: 1 } }, null],
  [
    '$dateSubtract',
    { $dateSubtract: { startDate: date('2024-03-31T00:00:00Z'), unit: 'month', amount: 1 } },
    date('2024-02-29T00:00:00Z'),
  ],
]);
refused('reference/operator/aggregation/dateAdd', [
  ['an unknown unit', { $dateAdd: { startDate: '$at', unit: 'century', amount: 1 } }, 9],
  ['a fraction', { $dateAdd: { startDate: '$at', unit: 'day', amount: 1.5 } }, 5166405],
  ['no date', { $dateAdd: { startDate: '$text', unit: 'day', amount: 1 } }, 5166403],
  ['an unknown zone', { $dateAdd: { startDate: '$at', unit: 'day', amount: 1, timezone: 'Mars/Base' } }, 40485],
]);

cases('reference/operator/aggregation/dateDiff', [
  ['boundaries of years, not years', between('2023-12-31T23:59:59Z', '2024-01-01T00:00:00Z', 'year'), long(1)],
  ['months', between('2024-01-31T00:00:00Z', '2024-03-01T00:00:00Z', 'month'), long(2)],
  ['months within one', between('2024-01-01T00:00:00Z', '2024-01-31T23:59:59Z', 'month'), long(0)],
  ['backwards', between('2024-03-01T00:00:00Z', '2024-01-31T00:00:00Z', 'month'), long(-2)],
  ['quarters', between('2024-03-31T00:00:00Z', '2024-04-01T00:00:00Z', 'quarter'), long(1)],
  ['weeks begin on Sunday', between('2024-03-09T00:00:00Z', '2024-03-10T00:00:00Z', 'week'), long(1)],
  [
    'weeks that begin on Monday',
    between('2024-03-09T00:00:00Z', '2024-03-10T00:00:00Z', 'week', { startOfWeek: 'monday' }),
    long(0),
  ],
  ['days', between('2024-02-28T23:00:00Z', '2024-03-01T01:00:00Z', 'day'), long(2)],
  [
    'days in a zone',
    between('2024-03-10T03:00:00Z', '2024-03-10T06:00:00Z', 'day', { timezone: 'America/New_York' }),
    long(1),
  ],
  ['hours', between('2024-01-01T00:59:00Z', '2024-01-01T01:01:00Z', 'hour'), long(1)],
  ['milliseconds', between('2024-01-01T00:00:00.000Z', '2024-01-01T00:00:00.005Z', 'millisecond'), long(5)],
  ['before the epoch', between('1969-12-31T23:59:59Z', '1970-01-01T00:00:01Z', 'day'), long(1)],
]);

const truncated = (unit: string, more: Document = {}): Document => ({ $dateTrunc: { date: '$at', unit, ...more } });
cases('reference/operator/aggregation/dateTrunc', [
  ['year', truncated('year'), date('2024-01-01T00:00:00Z')],
  ['quarter', truncated('quarter'), date('2024-01-01T00:00:00Z')],
  ['month', truncated('month'), date('2024-03-01T00:00:00Z')],
  ['week', truncated('week'), date('2024-03-10T00:00:00Z')],
  ['week from Monday', truncated('week', { startOfWeek: 'mon' }), date('2024-03-04T00:00:00Z')],
  ['day', truncated('day'), date('2024-03-10T00:00:00Z')],
  ['day in a zone', truncated('day', { timezone: 'America/New_York' }), date('2024-03-10T05:00:00Z')],
  ['hour', truncated('hour'), date('2024-03-10T13:00:00Z')],
  ['five minutes', truncated('minute', { binSize: 5 }), date('2024-03-10T13:10:00Z')],
  ['second', truncated('second'), date('2024-03-10T13:14:15Z')],
  ['two months, counted from 2000', truncated('month', { binSize: 2 }), date('2024-03-01T00:00:00Z')],
]);

cases('reference/operator/aggregation, parts of dates', [
  [
    'in UTC',
    [
      { $year: '$at' },
      { $month: '$at' },
      { $dayOfMonth: '$at' },
      { $hour: '$at' },
      { $minute: '$at' },
      { $second: '$at' },
      { $millisecond: '$at' },
    ],
    [2024, 3, 10, 13, 14, 15, 678],
  ],
  ['in a zone', { $hour: { date: '$at', timezone: 'America/New_York' } }, 9],
  [
    'before the change of the same day',
    { $hour: { date: date('2024-03-10T06:59:00Z'), timezone: 'America/New_York' } },
    1,
  ],
  ['days of week and year', [{ $dayOfWeek: '$at' }, { $isoDayOfWeek: '$at' }, { $dayOfYear: '$at' }], [1, 7, 70]],
  ['weeks', [{ $week: '$at' }, { $isoWeek: '$at' }], [10, 10]],
  ['the ISO year is a long', { $isoWeekYear: date('2024-12-30T00:00:00Z') }, long(2025)],
  ['of an object id', { $year: '$id' }, 2023],
  [
    '$dateToParts',
    { $dateToParts: { date: '$at', timezone: '+01:00' } },
    { year: 2024, month: 3, day: 10, hour: 14, minute: 14, second: 15, millisecond: 678 },
  ],
  [
    '$dateFromParts',
    { $dateFromParts: { year: 2024, month: 3, day: 10, hour: 9, timezone: 'America/New_York' } },
    date('2024-03-10T13:00:00Z'),
  ],
  ['$dateFromParts carries over', { $dateFromParts: { year: 2024, month: 14, day: 0 } }, date('2025-01-31T00:00:00Z')],
  [
    '$dateFromParts by ISO week',
    { $dateFromParts: { isoWeekYear: 2025, isoWeek: 1, isoDayOfWeek: 1 } },
    date('2024-12-30T00:00:00Z'),
  ],
  [
    '$dateToString',
    { $dateToString: { date: '$at', format: '%Y-%m-%d %H:%M:%S.%L %j %u %%' } },
    '2024-03-10 13:14:15.678 070 7 %',
  ],
  ['$dateToString as it is', { $dateToString: { date: '$at' } }, '2024-03-10T13:14:15.678Z'],
  [
    '$dateToString in a zone',
    { $dateToString: { date: '$at', format: '%H:%M %z', timezone: 'America/New_York' } },
    '09:14 -0400',
  ],
  ['$dateToString with onNull', { $dateToString: { date: '$nothing', onNull: 'x' } }, 'x'],
  [
    '$dateFromString',
    { $dateFromString: { dateString: '2024-03-10', timezone: 'America/New_York' } },
    date('2024-03-10T05:00:00Z'),
  ],
  [
    '$dateFromString with a format',
    { $dateFromString: { dateString: '10/03/2024', format: '%d/%m/%Y' } },
    date('2024-03-10T00:00:00Z'),
  ],
  ['$dateFromString with onError', { $dateFromString: { dateString: 'x', onError: 'bad' } }, 'bad'],
]);

cases('reference/operator/aggregation-bitwise', [
  ['$bitAnd', { $bitAnd: [12, 10] }, 8],
  ['$bitAnd of nothing', { $bitAnd: [] }, -1],
  ['$bitOr with a long is a long', { $bitOr: [12, long(3)] }, long(15)],
  ['$bitXor', { $bitXor: [12, 10, 1] }, 7],
  ['$bitNot', { $bitNot: 5 }, -6],
  ['null', { $bitAnd: [1, null] }, null],
]);

cases('reference/operator/aggregation/binarySize and bsonSize', [
  ['$binarySize of a string counts bytes', { $binarySize: 'a\u20ac' }, 4],
  ['$bsonSize', { $bsonSize: '$doc' }, 27],
  ['null', { $bsonSize: null }, null],
]);

cases('reference/operator/aggregation/convert (binData)', [
  [
    'a string to binary data and back',
    {
      $convert: {
        input: { $convert: { input: 'aGk=', to: 'binData', format: 'base64' } },
        to: 'string',
        format: 'utf8',
      },
    },
    'hi',
  ],
  [
    'a uuid and back',
    { $toString: { $toUUID: '0e3b9063-8abd-4eb3-9f9f-f4c59fd30a60' } },
    '0e3b9063-8abd-4eb3-9f9f-f4c59fd30a60',
  ],
  ['hex', { $binarySize: { $convert: { input: '00ff', to: { type: 'binData', subtype: 0 }, format: 'hex' } } }, 2],
  ['onError', { $convert: { input: 'x', to: 'binData', format: 'hex', onError: 'no' } }, 'no'],
]);

cases('reference/operator/aggregation, accumulators as expressions', [
  ['$stdDevPop', { $stdDevPop: [[2, 4]] }, new Double(1)],
  ['$stdDevSamp of one', { $stdDevSamp: [[2]] }, null],
  ['$maxN', { $maxN: { n: 2, input: '$list' } }, [3, 2]],
  ['$minN', { $minN: { n: 2, input: '$list' } }, [1, 2]],
  ['$firstN', { $firstN: { n: 2, input: '$list' } }, [3, 1]],
  ['$lastN', { $lastN: { n: 5, input: '$list' } }, [3, 1, 2]],
  ['$median', { $median: { input: '$list', method: 'approximate' } }, new Double(2)],
  [
    '$percentile',
    { $percentile: { input: '$list', p: [0, 1], method: 'approximate' } },
    [new Double(1), new Double(3)],
  ],
]);

refused('reference/operator/aggregation, what this server does not run', [
  ['$function', { $function: { body: 'x', args: [], lang: 'js' } }, 238],
  ['$meta', { $meta: 'textScore' }, 238],
  ['$toHashedIndexKey', { $toHashedIndexKey: '$int' }, 238],
  ['an operator that is none', { $nope: 1 }, 168],
  ['$bitAnd of a double', { $bitAnd: ['$double', 1] }, 14],
  ['$bsonSize of a number', { $bsonSize: '$int' }, 31393],
  ['$toUUID of other text', { $toUUID: 'x' }, 241],
]);
