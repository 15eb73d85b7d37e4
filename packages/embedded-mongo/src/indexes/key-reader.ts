import { Bracket } from '../bson/compare.ts';
import { DateTime, Doc, ObjectId, type Value } from '../bson/values.ts';
import type { KeyField } from './key-generator.ts';

/**
 * Whether a value can be read back from its key as just what it was. Keys of numbers do not tell the type, except that most
 * are whole and of 32 bits; a missing field has the key of null; symbols have those of strings.
 */
export function isReadable(value: Value | undefined): boolean {
  switch (typeof value) {
    case 'number':
    case 'string':
    case 'boolean':
      return true;
    default:
      return value === null || value instanceof DateTime || value instanceof ObjectId;
  }
}

/** The fields of an index of which every value can be read back, as a document. */
export function readKey(key: string, fields: readonly KeyField[]): Doc {
  const reader = new KeyReader(key);
  return new Doc(
    fields.map(({ path }) => path),
    fields.map(({ descending }) => reader.value(descending)),
  );
}

/** Reads one encoding of `encodeValue` after the other. */
class KeyReader {
  private readonly key: string;
  private at = 0;
  private descending = false;

  constructor(key: string) {
    this.key = key;
  }

  value(descending: boolean): Value {
    this.descending = descending;
    const bracket = this.unit();
    switch (bracket) {
      case Bracket.Null:
        return null;
      case Bracket.Number: {
        const number = this.double();
        // What the double leaves over: nothing.
        this.unit();
        return number;
      }
      case Bracket.String:
        return this.text();
      case Bracket.ObjectId:
        return new ObjectId(this.units(12));
      case Bracket.Boolean:
        return this.unit() === 1;
      case Bracket.Date: {
        const date = new DateTime(this.double());
        this.unit();
        return date;
      }
      default:
        throw new Error(`An index key holds values of bracket ${bracket}, which cannot be read`);
    }
  }

  private unit(): number {
    const unit = this.key.charCodeAt(this.at);
    this.at += 1;
    return this.descending ? 0xffff - unit : unit;
  }

  private units(count: number): string {
    const units = Array.from({ length: count }, () => this.unit());
    return String.fromCharCode(...units);
  }

  /** The bits that `sortableDouble` has turned. */
  private double(): number {
    let high = ((this.unit() << 16) | this.unit()) >>> 0;
    let low = ((this.unit() << 16) | this.unit()) >>> 0;
    if (high >= 0x80000000) {
      high = (high & 0x7fffffff) >>> 0;
    } else {
      high = ~high >>> 0;
      low = ~low >>> 0;
    }
    view.setUint32(0, high);
    view.setUint32(4, low);
    return view.getFloat64(0);
  }

  /** Up to two zero units; a zero and a one are a zero, and UTF-8's order becomes UTF-16 again. */
  private text(): string {
    let text = '';
    for (;;) {
      const unit = this.unit();
      if (unit === 0) {
        if (this.unit() === 0) return text;
        text += '\0';
      } else if (unit < 0xd800) {
        text += String.fromCharCode(unit);
      } else {
        text += String.fromCharCode(unit < 0xf800 ? unit + 0x800 : unit - 0x2000);
      }
    }
  }
}

const view = new DataView(new ArrayBuffer(8));
