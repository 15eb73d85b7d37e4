import { Decimal } from './decimal.ts';
import {
  Binary,
  BsonSymbol,
  Code,
  DateTime,
  DbPointer,
  Doc,
  Double,
  MAX_KEY,
  MIN_KEY,
  ObjectId,
  Regex,
  Timestamp,
  UNDEFINED,
  type Value,
} from './values.ts';

/** The bytes are no BSON (bsonspec.org): the message that carried them cannot be trusted any further. */
export class InvalidBson extends Error {}

/** MongoDB's own limit on nesting, with room for the levels that a command wraps around a document. */
const MAX_DEPTH = 200;

/**
 * Field names repeat from document to document. Keeping one string per name makes decoding cheaper than a new string
 * would be, and lets a later `indexOf` succeed by identity.
 */
const names: (string | undefined)[] = new Array(4096).fill(undefined);

/** Longer ones are not worth remembering. */
const LONGEST_KNOWN = 64;

const DOLLAR = 0x24;

/** Documents with the same fields share one list of their names. Longer lists are not worth remembering. */
const lists: (string[] | undefined)[] = new Array(4096).fill(undefined);
const LONGEST_LIST = 64;

/** The fields of the documents that are being read, the outermost first: lists are made when their length is known. */
const openNames: string[] = [];
const openValues: Value[] = [];
let open = 0;

function closeNames(base: number, hash: number): string[] {
  const count = open - base;
  const slot = (hash ^ count) & 4095;
  const known = count > LONGEST_LIST ? undefined : lists[slot];
  if (known !== undefined && known.length === count) {
    let i = 0;
    while (i < count && known[i] === openNames[base + i]) i++;
    if (i === count) return known;
  }
  const fresh = openNames.slice(base, open);
  if (count <= LONGEST_LIST) lists[slot] = fresh;
  return fresh;
}

class Reader {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;
  /** Of the last name. */
  private hash = 0;

  constructor(bytes: Buffer, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  need(count: number): void {
    if (count < 0 || this.at + count > this.end) throw new InvalidBson('BSON value runs past its end');
  }

  int32(): number {
    this.need(4);
    const value = this.bytes.readInt32LE(this.at);
    this.at += 4;
    return value;
  }

  take(count: number): number {
    this.need(count);
    const start = this.at;
    this.at += count;
    return start;
  }

  name(): string {
    const { bytes, end } = this;
    const start = this.at;
    let hash = 0;
    let bits = 0;
    let at = start;
    for (; ; at++) {
      if (at >= end) throw new InvalidBson('BSON name has no end');
      const byte = bytes[at] as number;
      if (byte === 0) break;
      hash = (Math.imul(hash, 31) + byte) | 0;
      bits |= byte;
    }
    this.at = at + 1;
    this.hash = hash;
    const length = at - start;
    if (bits >= 0x80 || length > LONGEST_KNOWN) return bytes.toString('utf8', start, at);
    return this.known(start, length, hash);
  }

  /** Text of ASCII that is likely to come again: one string stands for all of its copies. */
  private known(start: number, length: number, hash: number): string {
    const { bytes } = this;
    const slot = (hash ^ length) & 4095;
    const known = names[slot];
    if (known !== undefined && known.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === bytes[start + i]) i++;
      if (i === length) return known;
    }
    const fresh = bytes.toString('latin1', start, start + length);
    names[slot] = fresh;
    return fresh;
  }

  string(): string {
    const length = this.int32();
    if (length < 1) throw new InvalidBson('BSON string has a bad length');
    const start = this.take(length);
    const last = start + length - 1;
    if (this.bytes[last] !== 0) throw new InvalidBson('BSON string has no terminator');
    if (this.bytes[start] === DOLLAR && length <= LONGEST_KNOWN) return this.path(start, last);
    return this.bytes.toString('utf8', start, last);
  }

  /** What begins with a dollar sign is mostly a path in an expression. */
  private path(start: number, end: number): string {
    const { bytes } = this;
    let hash = 0;
    let bits = 0;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      hash = (Math.imul(hash, 31) + byte) | 0;
      bits |= byte;
    }
    return bits >= 0x80 ? bytes.toString('utf8', start, end) : this.known(start, end - start, hash);
  }

  cstring(): string {
    const stop = this.bytes.indexOf(0, this.at);
    if (stop < 0 || stop >= this.end) throw new InvalidBson('BSON string has no end');
    const value = this.bytes.toString('utf8', this.at, stop);
    this.at = stop + 1;
    return value;
  }

  /** Checks the length that a document announces and returns where it ends. */
  enter(depth: number): number {
    if (depth > MAX_DEPTH) throw new InvalidBson('BSON nests too deeply');
    const start = this.at;
    const length = this.int32();
    if (length < 5 || start + length > this.end) throw new InvalidBson('BSON document has a bad length');
    if (this.bytes[start + length - 1] !== 0) throw new InvalidBson('BSON document has no terminator');
    return start + length;
  }

  document(depth: number): Doc {
    const stop = this.enter(depth);
    const base = open;
    let hash = 0;
    for (;;) {
      const type = this.bytes[this.at++] as number;
      if (type === 0) break;
      const mine = open++;
      openNames[mine] = this.name();
      hash = (Math.imul(hash, 37) + this.hash) | 0;
      openValues[mine] = this.value(type, depth + 1);
      if (this.at >= stop) throw new InvalidBson('BSON element runs past its document');
    }
    if (this.at !== stop) throw new InvalidBson('BSON document ends early');
    const keys = closeNames(base, hash);
    const values = openValues.slice(base, open);
    // What is read next may be shorter: nothing may hold on to these.
    for (let i = base; i < open; i++) openValues[i] = null;
    open = base;
    return new Doc(keys, values);
  }

  array(depth: number): Value[] {
    const stop = this.enter(depth);
    const values: Value[] = [];
    for (;;) {
      const type = this.bytes[this.at++] as number;
      if (type === 0) break;
      // The names are the positions; nobody reads them.
      while (this.at < stop && this.bytes[this.at] !== 0) this.at++;
      this.at++;
      values.push(this.value(type, depth + 1));
      if (this.at >= stop) throw new InvalidBson('BSON element runs past its array');
    }
    if (this.at !== stop) throw new InvalidBson('BSON array ends early');
    return values;
  }

  value(type: number, depth: number): Value {
    switch (type) {
      case 0x01:
        return new Double(this.bytes.readDoubleLE(this.take(8)));
      case 0x02:
        return this.string();
      case 0x03:
        return this.document(depth);
      case 0x04:
        return this.array(depth);
      case 0x05:
        return this.binary();
      case 0x06:
        return UNDEFINED;
      case 0x07:
        return this.objectId();
      case 0x08: {
        const byte = this.bytes[this.take(1)];
        if (byte !== 0 && byte !== 1) throw new InvalidBson('BSON boolean is neither 0 nor 1');
        return byte === 1;
      }
      case 0x09:
        return new DateTime(Number(this.bytes.readBigInt64LE(this.take(8))));
      case 0x0a:
        return null;
      case 0x0b:
        return new Regex(this.cstring(), this.cstring());
      case 0x0c:
        return new DbPointer(this.string(), this.objectId());
      case 0x0d:
        return new Code(this.string());
      case 0x0e:
        return new BsonSymbol(this.string());
      case 0x0f: {
        this.int32();
        return new Code(this.string(), this.document(depth));
      }
      case 0x10:
        return this.int32();
      case 0x11: {
        const start = this.take(8);
        return new Timestamp(this.bytes.readUInt32LE(start + 4), this.bytes.readUInt32LE(start));
      }
      case 0x12:
        return this.bytes.readBigInt64LE(this.take(8));
      case 0x13: {
        const start = this.take(16);
        return Decimal.fromBytes(this.bytes.subarray(start, start + 16));
      }
      case 0xff:
        return MIN_KEY;
      case 0x7f:
        return MAX_KEY;
      default:
        throw new InvalidBson(`BSON type ${type} is unknown`);
    }
  }

  objectId(): ObjectId {
    const start = this.take(12);
    return new ObjectId(this.bytes.toString('latin1', start, start + 12));
  }

  binary(): Binary {
    const length = this.int32();
    const subtype = this.bytes[this.take(1)] as number;
    const start = this.take(length);
    const copied = Buffer.allocUnsafe(length);
    this.bytes.copy(copied, 0, start, start + length);
    return new Binary(copied, subtype);
  }
}

/** Decodes the document that begins at `offset`; with `keepRaw` it also holds a view of its bytes. */
export function decodeDocument(bytes: Buffer, offset = 0, end = bytes.length, keepRaw = false): Doc {
  open = 0;
  const reader = new Reader(bytes, offset, end);
  const doc = reader.document(0);
  if (keepRaw) doc.raw = bytes.subarray(offset, reader.at);
  return doc;
}
