import { Decimal } from './decimal.ts';
import {
  Binary,
  BsonSymbol,
  Code,
  DateTime,
  DbPointer,
  Doc,
  Double,
  ObjectId,
  Regex,
  type Singleton,
  Timestamp,
  type Value,
} from './values.ts';

/** Up to this length a loop over the characters is cheaper than the call into the runtime. */
const SHORT_STRING = 24;

/** Appends BSON to one growing buffer. Documents that hold their BSON are copied instead of encoded. */
export class BsonWriter {
  bytes: Buffer;
  at = 0;

  constructor(capacity = 1024) {
    this.bytes = Buffer.allocUnsafe(capacity);
  }

  reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + count));
    this.bytes.copy(grown, 0, 0, this.at);
    this.bytes = grown;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  int32(value: number): void {
    this.reserve(4);
    this.at = this.bytes.writeInt32LE(value, this.at);
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  private text(value: string): void {
    const length = value.length;
    this.reserve(length * 3);
    if (length <= SHORT_STRING) {
      const { bytes } = this;
      let i = 0;
      for (; i < length; i++) {
        const unit = value.charCodeAt(i);
        if (unit >= 0x80) break;
        bytes[this.at + i] = unit;
      }
      if (i === length) {
        this.at += length;
        return;
      }
    }
    this.at += this.bytes.write(value, this.at, 'utf8');
  }

  cstring(value: string): void {
    this.text(value);
    this.byte(0);
  }

  string(value: string): void {
    const start = this.at;
    this.int32(0);
    this.cstring(value);
    this.bytes.writeInt32LE(this.at - start - 4, start);
  }

  document(doc: Doc): void {
    if (doc.raw !== undefined) {
      this.raw(doc.raw);
      return;
    }
    const start = this.at;
    const { keys, values, madeFrom } = doc;
    this.int32(0);
    if (madeFrom !== undefined) this.changes(doc, madeFrom, start);
    else for (let i = 0; i < keys.length; i++) this.element(keys[i] as string, values[i] as Value);
    this.byte(0);
    this.bytes.writeInt32LE(this.at - start, start);
    doc.madeFrom = undefined;
    if (start === 0) return;
    if (madeFrom !== undefined && madeFrom.size < doc.size) {
      doc.raw = new Uint8Array(this.bytes.subarray(start, this.at));
      doc.isGrowing = true;
      if (madeFrom.isGrowing) madeFrom.raw = undefined;
      return;
    }
    // What is written a second time is carried along by the changes of its surroundings, and will be again.
    if (doc.isCarried) doc.raw = new Uint8Array(this.bytes.subarray(start, this.at));
    else doc.isCarried = true;
  }

  /** Writes the fields: those that are the same in what the document was made from are copied, a run of them at once. */
  private changes(doc: Doc, { raw, offsets, values: old }: Doc, start: number): void {
    const { keys, values } = doc;
    const began: number[] = [];
    for (let i = 0; i < keys.length; ) {
      const run = raw === undefined || offsets === undefined ? 0 : sameFrom(values, old, i);
      if (raw === undefined || offsets === undefined || run === 0) {
        began.push(this.at - start);
        this.element(keys[i] as string, values[i] as Value);
        i += 1;
        continue;
      }
      const from = offsets[i] as number;
      const to = offsets[i + run] ?? raw.length - 1;
      const moved = this.at - start - from;
      for (let k = i; k < i + run; k++) began.push((offsets[k] as number) + moved);
      this.raw(raw.subarray(from, to));
      i += run;
    }
    doc.offsets = began;
  }

  array(values: Value[]): void {
    const start = this.at;
    this.int32(0);
    for (let i = 0; i < values.length; i++) this.element(String(i), values[i] as Value);
    this.byte(0);
    this.bytes.writeInt32LE(this.at - start, start);
  }

  element(key: string, value: Value): void {
    const typeAt = this.at;
    this.byte(0);
    this.cstring(key);
    const type = this.value(value);
    // Only now: writing the value may have moved everything to a larger buffer.
    this.bytes[typeAt] = type;
  }

  /** Writes the payload and returns the type byte that belongs before the name. */
  private value(value: Value): number {
    switch (typeof value) {
      case 'number':
        if ((value | 0) === value) {
          this.int32(value);
          return 0x10;
        }
        return this.double(value);
      case 'string':
        this.string(value);
        return 0x02;
      case 'boolean':
        this.byte(value ? 1 : 0);
        return 0x08;
      case 'bigint':
        this.reserve(8);
        this.at = this.bytes.writeBigInt64LE(value, this.at);
        return 0x12;
    }
    if (value === null) return 0x0a;
    if (value instanceof Doc) {
      this.document(value);
      return 0x03;
    }
    if (Array.isArray(value)) {
      this.array(value);
      return 0x04;
    }
    if (value instanceof Double) return this.double(value.value);
    if (value instanceof ObjectId) {
      this.reserve(12);
      this.at += this.bytes.write(value.bytes, this.at, 'latin1');
      return 0x07;
    }
    if (value instanceof DateTime) {
      this.reserve(8);
      this.at = this.bytes.writeBigInt64LE(BigInt(Math.trunc(value.ms)), this.at);
      return 0x09;
    }
    return this.rareValue(value);
  }

  private double(value: number): number {
    this.reserve(8);
    this.at = this.bytes.writeDoubleLE(value, this.at);
    return 0x01;
  }

  private rareValue(value: Binary | Regex | Timestamp | Decimal | Code | BsonSymbol | DbPointer | Singleton): number {
    if (value instanceof Binary) {
      this.int32(value.bytes.length);
      this.byte(value.subtype);
      this.raw(value.bytes);
      return 0x05;
    }
    if (value instanceof Regex) {
      this.cstring(value.pattern);
      this.cstring(value.options);
      return 0x0b;
    }
    if (value instanceof Timestamp) {
      this.reserve(8);
      this.at = this.bytes.writeUInt32LE(value.increment, this.at);
      this.at = this.bytes.writeUInt32LE(value.seconds, this.at);
      return 0x11;
    }
    if (value instanceof Decimal) {
      this.raw(value.bytes);
      return 0x13;
    }
    if (value instanceof Code) {
      if (value.scope === undefined) {
        this.string(value.code);
        return 0x0d;
      }
      const start = this.at;
      this.int32(0);
      this.string(value.code);
      this.document(value.scope);
      this.bytes.writeInt32LE(this.at - start, start);
      return 0x0f;
    }
    if (value instanceof BsonSymbol) {
      this.string(value.value);
      return 0x0e;
    }
    if (value instanceof DbPointer) {
      this.string(value.namespace);
      this.reserve(12);
      this.at += this.bytes.write(value.id.bytes, this.at, 'latin1');
      return 0x0c;
    }
    return value.name === 'minKey' ? 0xff : value.name === 'maxKey' ? 0x7f : 0x06;
  }

  finish(): Buffer {
    return this.bytes.subarray(0, this.at);
  }
}

/** How many values, from a place on, are the same in both lists. */
function sameFrom(values: readonly Value[], others: readonly Value[], at: number): number {
  let end = at;
  while (end < others.length && values[end] === others[end]) end++;
  return end - at;
}

const scratch = new BsonWriter(64 * 1024);

/** The document's BSON in memory of its own, remembered on the document. */
export function encodeDocument(doc: Doc): Uint8Array {
  if (doc.raw !== undefined) return doc.raw;
  scratch.at = 0;
  scratch.document(doc);
  const raw = Buffer.from(scratch.finish());
  doc.raw = raw;
  return raw;
}
