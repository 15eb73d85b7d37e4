import { Decimal } from './decimal.ts';

/**
 * How a BSON value is held in memory. JavaScript's own types stand where they mean exactly one BSON type:
 * `number` is Int32, `bigint` is Int64, and a double is always boxed, so that `1` and `1.0` never become the same.
 * `undefined` is never a value: it stands for a missing field.
 */
export type Value =
  | number
  | bigint
  | Double
  | Decimal
  | string
  | boolean
  | null
  | Doc
  | Value[]
  | ObjectId
  | DateTime
  | Binary
  | Regex
  | Timestamp
  | Code
  | BsonSymbol
  | DbPointer
  | Singleton;

export class Double {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** Twelve bytes as a latin1 string: compared, hashed and written without conversion. */
export class ObjectId {
  readonly bytes: string;
  constructor(bytes: string) {
    this.bytes = bytes;
  }
  static fromHex(hex: string): ObjectId {
    return new ObjectId(Buffer.from(hex, 'hex').toString('latin1'));
  }
  toHex(): string {
    return Buffer.from(this.bytes, 'latin1').toString('hex');
  }
  get seconds(): number {
    return Buffer.from(this.bytes, 'latin1').readUInt32BE(0);
  }
  static generate(): ObjectId {
    const bytes = Buffer.allocUnsafe(12);
    bytes.writeUInt32BE(Math.floor(Date.now() / 1000), 0);
    processPart.copy(bytes, 4);
    counter = (counter + 1) & 0xffffff;
    bytes.writeUIntBE(counter, 9, 3);
    return new ObjectId(bytes.toString('latin1'));
  }
}
const processPart = Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(5)));
let counter = (globalThis.crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) & 0xffffff;

/** A UTC date: milliseconds since the epoch. */
export class DateTime {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
}

export class Binary {
  readonly bytes: Uint8Array;
  readonly subtype: number;
  constructor(bytes: Uint8Array, subtype = 0) {
    this.bytes = bytes;
    this.subtype = subtype;
  }
}

export class Regex {
  readonly pattern: string;
  readonly options: string;
  constructor(pattern: string, options: string) {
    this.pattern = pattern;
    this.options = options;
  }
}

export class Timestamp {
  readonly seconds: number;
  readonly increment: number;
  constructor(seconds: number, increment: number) {
    this.seconds = seconds >>> 0;
    this.increment = increment >>> 0;
  }
}

export class Code {
  readonly code: string;
  readonly scope: Doc | undefined;
  constructor(code: string, scope?: Doc) {
    this.code = code;
    this.scope = scope;
  }
}

export class BsonSymbol {
  readonly value: string;
  constructor(value: string) {
    this.value = value;
  }
}

export class DbPointer {
  readonly namespace: string;
  readonly id: ObjectId;
  constructor(namespace: string, id: ObjectId) {
    this.namespace = namespace;
    this.id = id;
  }
}

export class Singleton {
  readonly name: 'minKey' | 'maxKey' | 'undefined';
  constructor(name: 'minKey' | 'maxKey' | 'undefined') {
    this.name = name;
  }
}
export const MIN_KEY = new Singleton('minKey');
export const MAX_KEY = new Singleton('maxKey');
/** BSON's deprecated `undefined`, which old clients may have stored. */
export const UNDEFINED = new Singleton('undefined');

/** Beyond this many fields a lookup goes through a map instead of a linear search. */
const LINEAR_FIELDS = 16;

/**
 * An embedded or stored document: parallel arrays, because a plain object would reorder integer-like keys and give
 * `__proto__` a meaning. A document is immutable once it is built; whoever changes one makes another.
 */
export class Doc {
  readonly keys: string[];
  readonly values: Value[];
  /** The document's BSON, where it is at hand: replies and the journal copy it instead of encoding again. */
  raw: Uint8Array | undefined;
  /** It has been written as a part of another document, which is about to be written again with it. */
  isCarried = false;
  /** Where its fields begin in its BSON, if it was made from another document. */
  offsets: readonly number[] | undefined;
  /**
   * The document whose fields it begins with, with other values in some of them, until it is written: what has not changed is then copied
   * from the BSON of that one.
   */
  madeFrom: Doc | undefined;
  /** It holds its BSON only for documents to be made from it. */
  isGrowing = false;
  #positions: Map<string, number> | undefined;
  #isSearched = false;
  #height = 0;

  constructor(keys: string[], values: Value[], raw?: Uint8Array) {
    this.keys = keys;
    this.values = values;
    this.raw = raw;
  }

  static readonly EMPTY = new Doc([], []);

  /** For documents whose names this program chose; fields that are `undefined` are left out. */
  static of(fields: Record<string, Value | undefined>): Doc {
    const keys: string[] = [];
    const values: Value[] = [];
    for (const key in fields) {
      const value = fields[key];
      if (value === undefined) continue;
      keys.push(key);
      values.push(value);
    }
    return new Doc(keys, values);
  }

  get size(): number {
    return this.keys.length;
  }

  position(key: string): number {
    if (this.keys.length <= LINEAR_FIELDS) return this.keys.indexOf(key);
    if (this.#positions === undefined) {
      // Many documents are asked once, which is not worth a map.
      if (!this.#isSearched) {
        this.#isSearched = true;
        return this.keys.indexOf(key);
      }
      this.#positions = new Map();
      for (let i = this.keys.length - 1; i >= 0; i--) this.#positions.set(this.keys[i] as string, i);
    }
    return this.#positions.get(key) ?? -1;
  }

  get(key: string): Value | undefined {
    const at = this.position(key);
    return at < 0 ? undefined : this.values[at];
  }

  has(key: string): boolean {
    return this.position(key) >= 0;
  }

  /** A copy in which the field has the value: in its place when it exists, at the end when it does not. */
  with(key: string, value: Value): Doc {
    const at = this.position(key);
    if (at < 0) return new Doc([...this.keys, key], [...this.values, value]);
    const values = this.values.slice();
    values[at] = value;
    return this.withValues(values);
  }

  /** A document with other values in the same fields. */
  withValues(values: Value[]): Doc {
    const doc = new Doc(this.keys, values);
    doc.#positions = this.#positions;
    doc.#isSearched = this.#isSearched;
    doc.madeFrom = this;
    return doc;
  }

  /** A document with more fields: the names and values of this one come first in those given, whose values may differ. */
  grown(keys: string[], values: Value[]): Doc {
    const doc = new Doc(keys, values);
    if (this.size > 0) doc.madeFrom = this;
    return doc;
  }

  without(key: string): Doc {
    const at = this.position(key);
    if (at < 0) return this;
    return new Doc(this.keys.toSpliced(at, 1), this.values.toSpliced(at, 1));
  }

  /** How many levels of documents and arrays it has, itself included. */
  get height(): number {
    if (this.#height === 0) this.#height = 1 + highest(this.values);
    return this.#height;
  }

  *entries(): Generator<[string, Value]> {
    for (let i = 0; i < this.keys.length; i++) yield [this.keys[i] as string, this.values[i] as Value];
  }
}

/** Levels of documents and arrays, the value's own included. */
function heightOf(value: Value): number {
  if (value instanceof Doc) return value.height;
  return Array.isArray(value) ? 1 + highest(value) : 0;
}

function highest(values: readonly Value[]): number {
  let most = 0;
  for (const value of values) if (typeof value === 'object') most = Math.max(most, heightOf(value));
  return most;
}

/** The four types of number. */
export type Numeric = number | bigint | Double | Decimal;

export function isNumeric(value: Value | undefined): value is Numeric {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Double || value instanceof Decimal;
}

/** Any number as a double, rounded where the double has no room for it. */
export function toDouble(value: Numeric): number {
  if (typeof value === 'number') return value;
  if (value instanceof Double) return value.value;
  return typeof value === 'bigint' ? Number(value) : value.toNumber();
}
