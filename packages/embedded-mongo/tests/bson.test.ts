import { serialize } from 'bson';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compare } from '../src/bson/compare.ts';
import { Decimal } from '../src/bson/decimal.ts';
import { decodeDocument, InvalidBson } from '../src/bson/decode.ts';
import { BsonWriter, encodeDocument } from '../src/bson/encode.ts';
import { Binary, DateTime, Doc, Double, ObjectId, Regex, Timestamp, type Value } from '../src/bson/values.ts';
import { topScope } from '../src/expression/scope.ts';
import { encodeValue, invert } from '../src/indexes/key.ts';
import { compileUpdate } from '../src/update/update.ts';

const decimal = fc
  .tuple(fc.bigInt({ min: -(10n ** 34n) + 1n, max: 10n ** 34n - 1n }), fc.integer({ min: -6176, max: 6111 }))
  .map(([coefficient, exponent]) => new Decimal(coefficient, exponent));
const numeric: fc.Arbitrary<Value> = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.integer({ min: -3, max: 3 }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.double().map((value) => new Double(value)),
  fc.integer({ min: -3, max: 3 }).map((value) => new Double(value)),
  decimal,
  fc.constantFrom(Decimal.NaN, Decimal.Infinity, Decimal.NegativeInfinity, new Decimal(10n, -1), new Decimal(1n, -400)),
);
const scalar: fc.Arbitrary<Value> = fc.oneof(
  numeric,
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom('', '\0', 'a\0', 'a\0b', 'a\u0001', '\ud7ff', '\uffff', '😀'),
  fc.boolean(),
  fc.constant(null),
  fc.integer({ min: -1e14, max: 1e14 }).map((ms) => new DateTime(ms)),
  fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes) => new ObjectId(Buffer.from(bytes).toString('latin1'))),
  fc.uint8Array({ maxLength: 5 }).map((bytes) => new Binary(bytes, 0)),
  fc.constantFrom(new Regex('a', ''), new Regex('a', 'i'), new Timestamp(1, 65535), new Timestamp(4294967295, 0)),
);
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { weight: 4, arbitrary: scalar },
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(fc.constantFrom('a', 'b', '10', '2', '__proto__', ''), tie('value')), { maxLength: 3 }).map(
      (entries) =>
        new Doc(
          entries.map(([key]) => key),
          entries.map(([, entry]) => entry),
        ),
    ),
  ),
}));
const RUNS = { numRuns: 3000 };

/** `$set`, of an update by operators or, in a list, by a pipeline. */
const setBy = (fields: Doc | [Doc]): Value =>
  Array.isArray(fields) ? [new Doc(['$set'], fields)] : new Doc(['$set'], [fields]);

const literal = (value: Value): Value => new Doc(['$literal'], [value]);

/** The same values in documents that have never been written. */
function anew<V extends Value>(original: V): V;
function anew(original: Value): Value {
  if (Array.isArray(original)) return original.map((element) => anew(element));
  return original instanceof Doc
    ? new Doc(
        [...original.keys],
        original.values.map((each) => anew(each)),
      )
    : original;
}

describe('BSON', () => {
  test('a document that was made from others, change by change, has the bytes of one that was made at once', () => {
    const path = fc.constantFrom('a', 'b', 'wide.a', 'wide.b', 'wide.c', 'wide.c.d', 'e');
    const change = fc.oneof(
      { weight: 3, arbitrary: fc.tuple(path, scalar).map(([at, to]) => setBy([new Doc([at], [literal(to)])])) },
      { weight: 2, arbitrary: fc.tuple(path, scalar).map(([at, to]) => setBy(new Doc([at], [to]))) },
      fc.tuple(path, path, scalar).map(([from, at, to]) => setBy([new Doc([from, at], ['$$REMOVE', literal(to)])])),
      path.map((at) => [new Doc(['$unset'], [at])] as Value),
      path.map((at) => new Doc(['$unset'], [new Doc([at], [''])]) as Value),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(change, fc.boolean()), { maxLength: 30 }), (changes) => {
        let doc = new Doc(['_id', 'wide'], [1, new Doc([], [])]);
        for (const [update, isStored] of changes) {
          try {
            doc = compileUpdate(update, undefined, topScope()).apply(doc, -1, false);
          } catch {
            // A path through what is no document; nothing has changed.
          }
          if (isStored) expect(Buffer.from(encodeDocument(doc))).toEqual(Buffer.from(encodeDocument(anew(doc))));
        }
      }),
      RUNS,
    );
  });

  test('what was encoded decodes to the same value', () => {
    fc.assert(
      fc.property(value, (original) => {
        const bytes = Buffer.from(encodeDocument(new Doc(['v'], [original])));
        const decoded = decodeDocument(bytes);
        expect(compare(decoded.values[0], original)).toBe(0);
        expect(Buffer.from(encodeDocument(decoded))).toEqual(bytes);
      }),
      RUNS,
    );
  });

  test('documents much larger than the writer start with the right types', () => {
    const wide = Object.fromEntries(
      Array.from({ length: 5000 }, (_, i) => [`f${i}`, { text: 'x'.repeat(50), list: [i, `${i}`, { i }] }]),
    );
    const bytes = Buffer.from(serialize({ deep: { wide } }));
    const writer = new BsonWriter(16);
    writer.document(decodeDocument(bytes));
    expect(Buffer.from(writer.finish()).equals(bytes)).toBe(true);
  });

  test('bytes that are no BSON are refused, not misread', () => {
    const valid = Buffer.from(serialize({ a: [1, { b: 'x' }], c: new Date(0), d: /x/ }));
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(255), fc.nat(valid.length), (at, byte, length) => {
        const broken = Buffer.from(valid);
        broken[at] = byte;
        for (const bytes of [broken, broken.subarray(0, length)]) {
          try {
            decodeDocument(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidBson);
          }
        }
      }),
      RUNS,
    );
  });
});

describe('index keys', () => {
  const sign = (number: number): number => Math.sign(number);
  const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

  test('order as the values do, also inverted', () => {
    fc.assert(
      fc.property(fc.oneof(fc.tuple(value, value), fc.tuple(numeric, numeric)), ([a, b]) => {
        const expected = sign(compare(a, b));
        expect(order(encodeValue(a), encodeValue(b))).toBe(expected);
        expect(order(invert(encodeValue(a)), invert(encodeValue(b)))).toBe(expected === 0 ? 0 : -expected);
      }),
      { numRuns: 10_000 },
    );
  });

  test('end themselves, so that they can be joined', () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [x, y] = [encodeValue(a), encodeValue(b)];
        if (x !== y) expect(y.startsWith(x)).toBe(false);
        expect(x.endsWith('\uffff')).toBe(false);
      }),
      RUNS,
    );
  });
});
