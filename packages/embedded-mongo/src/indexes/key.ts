import { Bracket, bracketOf } from '../bson/compare.ts';
import { addExact, digitCount, type Exact, exactOfDouble } from '../bson/decimal.ts';
import {
  type Binary,
  BsonSymbol,
  type Code,
  type DateTime,
  type DbPointer,
  Doc,
  Double,
  type Numeric,
  type ObjectId,
  type Regex,
  type Timestamp,
  type Value,
} from '../bson/values.ts';

/**
 * Values as strings whose order under `<` is BSON's order, so that a B-tree compares keys without knowing types.
 * Every encoding ends itself (no encoding is a prefix of another), hence encodings can be joined to compound keys and
 * inverted unit by unit for descending fields.
 */
export function encodeValue(value: Value | undefined, text: StringEncoding = encodeString): string {
  const bracket = bracketOf(value);
  return String.fromCharCode(bracket) + payload(bracket, value, text);
}

/** How a string becomes a key: as it is, or as a collation sees it. Names of fields and patterns stay as they are. */
export type StringEncoding = (text: string) => string;

/** No encoding ends in U+FFFF: the successor of one then has the same length, also inverted. */
const END = '\0';

/** Below and above every encoding of a bracket: the ends of a range that stays within it. */
export function bracketStart(bracket: number): string {
  return String.fromCharCode(bracket);
}
export function bracketEnd(bracket: number): string {
  return String.fromCharCode(bracket + 1);
}

/** Turns the order of an encoding around. */
export function invert(encoded: string): string {
  let inverted = '';
  for (let i = 0; i < encoded.length; i++) inverted += String.fromCharCode(0xffff - encoded.charCodeAt(i));
  return inverted;
}

function payload(bracket: number, value: Value | undefined, text: StringEncoding): string {
  switch (bracket) {
    case Bracket.Number:
      return encodeNumber(value as Numeric);
    case Bracket.String:
      return text(value instanceof BsonSymbol ? value.value : (value as string));
    case Bracket.Object:
      return encodeDoc(value as Doc, text);
    case Bracket.Array: {
      let encoded = '';
      for (const element of value as Value[]) encoded += encodeValue(element, text);
      return `${encoded}\0`;
    }
    case Bracket.Binary: {
      const { bytes, subtype } = value as Binary;
      return unsigned32(bytes.length) + String.fromCharCode(subtype) + Buffer.from(bytes).toString('latin1');
    }
    case Bracket.ObjectId:
      return (value as ObjectId).bytes;
    case Bracket.Boolean:
      return value === true ? '\x01' : '\0';
    case Bracket.Date:
      return sortableDouble((value as DateTime).ms) + END;
    case Bracket.Timestamp:
      return unsigned32((value as Timestamp).seconds) + unsigned32((value as Timestamp).increment) + END;
    case Bracket.Regex:
      return encodeString((value as Regex).pattern) + encodeString((value as Regex).options);
    case Bracket.DbPointer:
      return encodeString((value as DbPointer).namespace) + (value as DbPointer).id.bytes;
    case Bracket.Code:
      return encodeString((value as Code).code);
    case Bracket.CodeWithScope:
      return encodeString((value as Code).code) + encodeDoc((value as Code).scope ?? Doc.EMPTY, encodeString);
    default:
      return '';
  }
}

/** Names stand between the bracket and the value, as BSON's order of documents wants. */
function encodeDoc(doc: Doc, text: StringEncoding): string {
  let encoded = '';
  for (let i = 0; i < doc.size; i++) {
    const value = doc.values[i];
    const bracket = bracketOf(value);
    encoded += String.fromCharCode(bracket) + encodeString(doc.keys[i] as string) + payload(bracket, value, text);
  }
  return `${encoded}\0`;
}

const NEEDS_CARE = /[\0\ud800-\uffff]/;

/** Ends in two zero units; a zero within the string is followed by a one, and UTF-16 is moved into UTF-8's order. */
export function encodeString(text: string): string {
  if (!NEEDS_CARE.test(text)) return `${text}\0\0`;
  return `${encodeStringPrefix(text)}\0\0`;
}

/** Without its end: the beginning of the encoding of every string that starts with `text`. */
export function encodeStringPrefix(text: string): string {
  if (!NEEDS_CARE.test(text)) return text;
  let encoded = '';
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0) encoded += '\0\x01';
    else if (unit < 0xd800) encoded += text[i];
    else encoded += String.fromCharCode(unit < 0xe000 ? unit + 0x2000 : unit - 0x800);
  }
  return encoded;
}

function unsigned32(value: number): string {
  return String.fromCharCode(value >>> 16, value & 0xffff);
}

const view = new DataView(new ArrayBuffer(8));

/** The bits of a double, turned so that they order as the numbers do. */
function sortableDouble(value: number): string {
  view.setFloat64(0, value === 0 ? 0 : value);
  let high = view.getUint32(0);
  let low = view.getUint32(4);
  if (high >= 0x80000000) {
    high = ~high >>> 0;
    low = ~low >>> 0;
  } else {
    high = (high | 0x80000000) >>> 0;
  }
  return String.fromCharCode(high >>> 16, high & 0xffff, low >>> 16, low & 0xffff);
}

const EXACT = '\u8000';

/**
 * Equal numbers of different types get the same key: the nearest double, then what the double leaves over. Only
 * large longs and decimals leave anything.
 */
function encodeNumber(value: Numeric): string {
  if (typeof value === 'number') return sortableDouble(value) + EXACT;
  if (value instanceof Double) {
    return Number.isNaN(value.value) ? NAN_KEY : sortableDouble(value.value) + EXACT;
  }
  if (typeof value === 'bigint') {
    const nearest = Number(value);
    const rest = value - BigInt(nearest);
    return sortableDouble(nearest) + encodeRest({ coefficient: rest, exponent: 0 });
  }
  if (value.special !== undefined) return encodeNumber(new Double(Number(value.special)));
  let nearest = value.toNumber();
  if (!Number.isFinite(nearest)) nearest = nearest > 0 ? Number.MAX_VALUE : -Number.MAX_VALUE;
  const exact = exactOfDouble(nearest);
  return sortableDouble(nearest) + encodeRest(addExact(value, { ...exact, coefficient: -exact.coefficient }));
}

const NAN_KEY = `\0\0\0\0${EXACT}`;

/** Sign, order of magnitude, digits: enough to order what is left over beside the same double. */
function encodeRest(rest: Exact): string {
  if (rest.coefficient === 0n) return EXACT;
  const negative = rest.coefficient < 0n;
  let magnitude = negative ? -rest.coefficient : rest.coefficient;
  let exponent = rest.exponent;
  while (magnitude % 10n === 0n) {
    magnitude /= 10n;
    exponent += 1;
  }
  const scale = String.fromCharCode(0x4000 + exponent + digitCount(magnitude));
  const encoded = `${scale}${magnitude}\0`;
  return negative ? `\u7fff${invert(encoded)}${END}` : `\u8001${encoded}`;
}
