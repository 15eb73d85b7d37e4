import fc from 'fast-check';
import type { JsonSchema } from '../../support/openapi.ts';

/** Values that an API meets from people who mistype and from people who attack. */

const NASTY = [
  '',
  ' ',
  '\0',
  'a\0b',
  '$where',
  '$ne',
  '__proto__',
  'constructor',
  'a.b',
  '../../etc/passwd',
  '%00',
  '%',
  '%zz',
  '\ud800',
  '\u202e\u0000\uffff',
  'null',
  'undefined',
  'NaN',
  '1e309',
  '-0',
  '9'.repeat(400),
  'x'.repeat(5000),
  "' OR 1=1 --",
  '<script>alert(1)</script>',
  '{"$gt":""}',
  '0'.repeat(24),
  'f'.repeat(24),
  'Europe/Paris',
  'W10',
  'WyJ4IiwieSJd',
  '2026-02-30T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  '9999-12-31T23:59:59.999Z',
  '0000-01-01T00:00:00Z',
];

export const hostileText = fc.oneof(
  fc.constantFrom(...NASTY),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 200 }),
);

const hostileNumber = fc.oneof(
  fc.constantFrom(0, -0, -1, 1.5, 1e300, -1e300, Number.MAX_SAFE_INTEGER, 2 ** 53 + 2, 2 ** 31, 2 ** 63, 5e-324),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

const hostileName = fc.oneof(
  fc.constantFrom('$set', '$where', '__proto__', 'constructor', 'a.b', '', 'toString', '_id'),
  fc.string({ maxLength: 20 }),
);

export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  { maxDepth: 3, depthSize: 'small' },
  hostileText,
  hostileNumber,
  fc.boolean(),
  fc.constant(null),
  fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, hostileText, hostileNumber, tie('list'), tie('object')),
    list: fc.array(tie('value'), { maxLength: 4 }),
    object: fc
      .array(fc.tuple(hostileName, tie('value')), { maxLength: 4 })
      .map((entries) => Object.fromEntries(entries)),
  })).value,
);

/** A value that is about what a schema asks for: mostly right, at its bounds, and now and then something else. */
export function nearly(schema: JsonSchema, resolved: (schema: JsonSchema) => JsonSchema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 6, arbitrary: right(resolved(schema), resolved) }, { weight: 1, arbitrary: hostileValue });
}

function right(schema: JsonSchema, resolved: (schema: JsonSchema) => JsonSchema): fc.Arbitrary<unknown> {
  const { enum: words, type, properties, items, examples, anyOf, minimum, maximum } = schema;
  if (Array.isArray(words)) return fc.constantFrom(...words);
  if (Array.isArray(anyOf)) return fc.oneof(...anyOf.map((each: JsonSchema) => nearly(each, resolved)));
  if (Array.isArray(examples) && properties === undefined) return fc.constantFrom(...examples);
  if (type === 'integer' || type === 'number') {
    const [least, most] = [Number(minimum ?? 0), Number(maximum ?? 1_000_000)];
    const near = [least - 1, least, least + 1, most - 1, most, most + 1];
    return fc.oneof(fc.constantFrom(...near), fc.integer({ min: least, max: Math.min(most, least + 5) }));
  }
  if (type === 'boolean') return fc.boolean();
  if (type === 'array') return fc.array(nearly(Object(items ?? {}), resolved), { maxLength: 3 });
  if (type === 'object' || properties !== undefined) return rightObject(schema, resolved);
  return fc.oneof(fc.constantFrom('a', 'https://example.com/a.png', '2026-03-10T09:00:00Z', 'A bay'), hostileText);
}

function rightObject(schema: JsonSchema, resolved: (schema: JsonSchema) => JsonSchema): fc.Arbitrary<unknown> {
  const [example] = [Object(schema['examples'] ?? [])].flat();
  const fields = Object.entries<JsonSchema>(Object(schema['properties'] ?? {}));
  const changes = fc.array(
    fc.oneof(...fields.map(([name, field]) => nearly(field, resolved).map((value) => [name, value] as const)), {
      weight: 1,
      arbitrary: fc.tuple(hostileName, hostileValue),
    }),
    { maxLength: 3 },
  );
  return changes.map((entries) => ({ ...Object(example), ...Object.fromEntries(entries) }));
}
