import { Decimal128, type Document, Double, Int32, Long, ObjectId } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { useServer } from '../support/server.ts';

const server = useServer();

/** A schema, and documents that satisfy it and that do not. */
const schemas: [name: string, schema: Document, valid: Document[], invalid: Document[]][] = [
  ['bsonType', { properties: { a: { bsonType: 'int' } } }, [{ a: 1 }, {}], [{ a: 'x' }, { a: new Double(1.5) }]],
  ['a list of types', { properties: { a: { bsonType: ['string', 'null'] } } }, [{ a: 'x' }, { a: null }], [{ a: 1 }]],
  [
    'number is all four types',
    { properties: { a: { bsonType: 'number' } } },
    [{ a: 1 }, { a: new Double(1.5) }, { a: Long.fromNumber(1) }, { a: Decimal128.fromString('1') }],
    [{ a: '1' }],
  ],
  ['type', { properties: { a: { type: 'boolean' } } }, [{ a: true }], [{ a: 1 }]],
  ['objectId', { properties: { a: { bsonType: 'objectId' } } }, [{ a: new ObjectId() }], [{ a: 'x' }]],
  ['required', { required: ['a', 'b'] }, [{ a: 1, b: null }], [{ a: 1 }]],
  ['minimum', { properties: { a: { minimum: 3 } } }, [{ a: 3 }, { a: 'text' }], [{ a: 2 }]],
  ['exclusiveMinimum', { properties: { a: { minimum: 3, exclusiveMinimum: true } } }, [{ a: 4 }], [{ a: 3 }]],
  ['maximum', { properties: { a: { maximum: 3 } } }, [{ a: 3 }], [{ a: new Double(3.1) }]],
  ['multipleOf', { properties: { a: { multipleOf: 3 } } }, [{ a: 9 }], [{ a: 10 }]],
  [
    'lengths',
    { properties: { a: { minLength: 2, maxLength: 3 } } },
    [{ a: 'ab' }, { a: 'ä€😀' }],
    [{ a: 'a' }, { a: 'abcd' }],
  ],
  ['pattern', { properties: { a: { pattern: '^a+$' } } }, [{ a: 'aa' }, { a: 1 }], [{ a: 'ab' }]],
  [
    'enum',
    { properties: { a: { enum: ['x', 1, null] } } },
    [{ a: 'x' }, { a: new Double(1) }, { a: null }],
    [{ a: 2 }],
  ],
  ['items', { properties: { a: { items: { bsonType: 'int' } } } }, [{ a: [1, 2] }, { a: [] }], [{ a: [1, 'x'] }]],
  [
    'items one by one',
    { properties: { a: { items: [{ bsonType: 'int' }, { bsonType: 'string' }], additionalItems: false } } },
    [{ a: [1, 'x'] }, { a: [1] }],
    [{ a: ['x'] }, { a: [1, 'x', 2] }],
  ],
  [
    'additionalItems',
    { properties: { a: { items: [{}], additionalItems: { bsonType: 'int' } } } },
    [{ a: ['x', 1] }],
    [{ a: ['x', 'y'] }],
  ],
  [
    'numbers of items',
    { properties: { a: { minItems: 1, maxItems: 2 } } },
    [{ a: [1] }],
    [{ a: [] }, { a: [1, 2, 3] }],
  ],
  ['uniqueItems', { properties: { a: { uniqueItems: true } } }, [{ a: [1, 2] }], [{ a: [1, new Double(1)] }]],
  ['additionalProperties', { properties: { _id: {}, a: {} }, additionalProperties: false }, [{ a: 1 }], [{ b: 1 }]],
  [
    'additionalProperties by a schema',
    { properties: { _id: {} }, additionalProperties: { bsonType: 'int' } },
    [{ x: 1 }],
    [{ x: 'y' }],
  ],
  ['patternProperties', { patternProperties: { '^n': { bsonType: 'int' } } }, [{ n1: 1, x: 'y' }], [{ n1: 'x' }]],
  ['numbers of properties', { minProperties: 2, maxProperties: 3 }, [{ a: 1 }], [{}, { a: 1, b: 1, c: 1 }]],
  ['dependencies on names', { dependencies: { a: ['b'] } }, [{ a: 1, b: 1 }, { b: 1 }], [{ a: 1 }]],
  ['dependencies on a schema', { dependencies: { a: { required: ['b'] } } }, [{ a: 1, b: 1 }, {}], [{ a: 1 }]],
  ['allOf', { allOf: [{ required: ['a'] }, { required: ['b'] }] }, [{ a: 1, b: 1 }], [{ a: 1 }]],
  ['anyOf', { anyOf: [{ required: ['a'] }, { required: ['b'] }] }, [{ a: 1 }], [{ c: 1 }]],
  ['oneOf', { oneOf: [{ required: ['a'] }, { required: ['b'] }] }, [{ a: 1 }], [{ a: 1, b: 1 }, {}]],
  ['not', { not: { required: ['a'] } }, [{ b: 1 }], [{ a: 1 }]],
  [
    'nested',
    { properties: { a: { bsonType: 'object', required: ['b'], properties: { b: { minimum: 1 } } } } },
    [{ a: { b: 1 } }],
    [{ a: {} }, { a: { b: 0 } }, { a: 1 }],
  ],
];

describe('reference/operator/query/jsonSchema', () => {
  test.each(schemas)('%s', async (_name, schema, valid, invalid) => {
    const db = server().freshDb();
    const docs = [...valid.map((doc) => ({ ok: true, doc })), ...invalid.map((doc) => ({ ok: false, doc }))];
    for (const { ok, doc } of docs) {
      const collection = db.collection('c');
      await collection.deleteMany({});
      await collection.insertOne({ ...doc });
      expect({ doc, found: await collection.countDocuments({ $jsonSchema: schema }) }).toEqual({
        doc,
        found: ok ? 1 : 0,
      });
    }
    const strict = await db.createCollection('strict', { validator: { $jsonSchema: schema } });
    for (const doc of valid) await strict.insertOne({ ...doc });
    for (const doc of invalid) await expect(strict.insertOne({ ...doc })).rejects.toMatchObject({ code: 121 });
  });

  const refused: [name: string, schema: Document, code: number][] = [
    ['an unknown keyword', { colour: 1 }, 9],
    ['a keyword of JSON Schema that is left out', { $ref: '#' }, 9],
    ['type integer', { type: 'integer' }, 9],
    ['type and bsonType', { type: 'object', bsonType: 'object' }, 9],
    ['required that is empty', { required: [] }, 9],
    ['a minimum that is no number', { minimum: 'x' }, 14],
    ['exclusiveMinimum alone', { exclusiveMinimum: true }, 9],
    ['an unknown type', { bsonType: 'int32' }, 2],
  ];
  test.each(refused)('refused: %s', async (_name, schema, code) => {
    const find = server().freshDb().collection('c').find({ $jsonSchema: schema });
    await expect(find.toArray()).rejects.toMatchObject({ code });
  });
});

const details: [name: string, validator: Document, doc: Document, details: Document][] = [
  [
    'a schema',
    { $jsonSchema: { title: 'T', required: ['name'], properties: { year: { minimum: 2017, description: 'a year' } } } },
    { _id: 1, year: 1 },
    {
      operatorName: '$jsonSchema',
      title: 'T',
      schemaRulesNotSatisfied: [
        { operatorName: 'required', specifiedAs: { required: ['name'] }, missingProperties: ['name'] },
        {
          operatorName: 'properties',
          propertiesNotSatisfied: [
            {
              propertyName: 'year',
              description: 'a year',
              details: [
                {
                  operatorName: 'minimum',
                  specifiedAs: { minimum: 2017 },
                  reason: 'comparison failed',
                  consideredValue: 1,
                },
              ],
            },
          ],
        },
      ],
    },
  ],
  [
    'a type',
    { $jsonSchema: { properties: { a: { bsonType: 'int' } } } },
    { _id: 1, a: 'x' },
    {
      operatorName: '$jsonSchema',
      schemaRulesNotSatisfied: [
        {
          operatorName: 'properties',
          propertiesNotSatisfied: [
            {
              propertyName: 'a',
              details: [
                {
                  operatorName: 'bsonType',
                  specifiedAs: { bsonType: 'int' },
                  reason: 'type did not match',
                  consideredValue: 'x',
                  consideredType: 'string',
                },
              ],
            },
          ],
        },
      ],
    },
  ],
  [
    'an operator',
    { a: { $gt: 5 } },
    { _id: 1, a: 3 },
    { operatorName: '$gt', specifiedAs: { a: { $gt: 5 } }, reason: 'comparison failed', consideredValue: 3 },
  ],
  [
    'a missing field',
    { a: { $gt: 5 } },
    { _id: 1 },
    { operatorName: '$gt', specifiedAs: { a: { $gt: 5 } }, reason: 'field was missing' },
  ],
  [
    'several clauses',
    { a: 1, b: { $in: [2] } },
    { _id: 1, a: 1, b: 3 },
    {
      operatorName: '$and',
      clausesNotSatisfied: [
        {
          index: 1,
          details: {
            operatorName: '$in',
            specifiedAs: { b: { $in: [2] } },
            reason: 'no matching value found in array',
            consideredValue: 3,
          },
        },
      ],
    },
  ],
  [
    'an expression',
    { $expr: { $lt: ['$a', '$b'] } },
    { _id: 1, a: 2, b: 1 },
    {
      operatorName: '$expr',
      specifiedAs: { $expr: { $lt: ['$a', '$b'] } },
      reason: 'expression did not match',
      expressionResult: false,
    },
  ],
];

describe('core/schema-validation', () => {
  test.each(details)('errInfo: %s', async (_name, validator, doc, expected) => {
    const collection = await server().freshDb().createCollection('c', { validator });
    const error = await collection.insertOne(doc as never).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 121, message: 'Document failed validation' });
    expect((error as { errInfo: Document }).errInfo).toEqual({ failingDocumentId: 1, details: expected });
  });

  test('levels, actions and bypassing', async () => {
    const db = server().freshDb();
    const collection = db.collection('c');
    await collection.insertOne({ _id: 1 as never, n: -1 });
    await db.command({ collMod: 'c', validator: { n: { $gte: 0 } } });
    const bad = async (): Promise<unknown> => collection.updateOne({ _id: 1 as never }, { $inc: { x: 1 } });
    await expect(bad()).rejects.toMatchObject({ code: 121 });
    await collection.insertOne({ n: -2 }, { bypassDocumentValidation: true });
    await db.command({ collMod: 'c', validationLevel: 'moderate' });
    await bad();
    await expect(collection.insertOne({ n: -3 })).rejects.toMatchObject({ code: 121 });
    await db.command({ collMod: 'c', validationAction: 'warn' });
    await collection.insertOne({ n: new Int32(-3) });
    await db.command({ collMod: 'c', validationAction: 'error', validationLevel: 'off' });
    await collection.insertOne({ n: -4 });
    await expect(db.command({ collMod: 'c', validationLevel: 'x' })).rejects.toMatchObject({ code: 2 });
    await expect(db.createCollection('d', { validator: { $nope: 1 } })).rejects.toMatchObject({ code: 2 });
  });
});
