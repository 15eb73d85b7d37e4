import { Doc, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { PAUSE, type Pulled, type Stream } from '../plan/stream.ts';
import type { Stage } from './pipeline.ts';

interface Unwinding {
  readonly parts: string[];
  readonly indexParts: string[] | undefined;
  readonly preserve: boolean;
}

/** `$unwind` (manual: reference/operator/aggregation/unwind). */
export function unwindStage(specification: Value): Stage {
  const isShort = typeof specification === 'string';
  if (!isShort && !(specification instanceof Doc)) {
    throw new MongoError(15981, 'expected either a string or an object as specification for $unwind stage');
  }
  const path = isShort ? specification : specification.get('path');
  if (typeof path !== 'string') throw new MongoError(28812, 'no path specified to $unwind stage');
  if (!path.startsWith('$'))
    throw new MongoError(28818, `path option to $unwind stage should be prefixed with a '$': ${path}`);
  const index = isShort ? undefined : specification.get('includeArrayIndex');
  if (index !== undefined && index !== null && (typeof index !== 'string' || index === '' || index.startsWith('$'))) {
    throw new MongoError(28810, 'expected a non-empty string for the includeArrayIndex option to $unwind stage');
  }
  const unwinding: Unwinding = {
    parts: path.slice(1).split('.'),
    indexParts: typeof index === 'string' ? index.split('.') : undefined,
    preserve: !isShort && specification.get('preserveNullAndEmptyArrays') === true,
  };
  return (input) => new UnwindStream(input, unwinding);
}

class UnwindStream implements Stream {
  private readonly input: Stream;
  private readonly unwinding: Unwinding;
  private pending: Doc[] = [];
  private at = 0;

  constructor(input: Stream, unwinding: Unwinding) {
    this.input = input;
    this.unwinding = unwinding;
  }

  next(): Pulled {
    for (;;) {
      const ready = this.pending[this.at];
      if (ready !== undefined) {
        this.at += 1;
        return ready;
      }
      const doc = this.input.next();
      if (doc === undefined || doc === PAUSE) return doc;
      this.pending = unwind(doc, this.unwinding);
      this.at = 0;
    }
  }

  detach(): void {
    this.input.detach();
  }
}

function unwind(doc: Doc, { parts, indexParts, preserve }: Unwinding): Doc[] {
  let value: Value | undefined = doc;
  for (const part of parts) value = value instanceof Doc ? value.get(part) : undefined;
  const withIndex = (result: Doc, index: Value): Doc =>
    indexParts === undefined ? result : setPath(result, indexParts, 0, index);
  if (Array.isArray(value)) {
    if (value.length === 0) return preserve ? [withIndex(setPath(doc, parts, 0, undefined), null)] : [];
    return value.map((element, i) => withIndex(setPath(doc, parts, 0, element), BigInt(i)));
  }
  if (value === undefined || value === null) return preserve ? [withIndex(doc, null)] : [];
  return [withIndex(doc, null)];
}

function setPath(doc: Doc, parts: readonly string[], depth: number, value: Value | undefined): Doc {
  const part = parts[depth] as string;
  if (depth === parts.length - 1) return value === undefined ? doc.without(part) : doc.with(part, value);
  const inner = doc.get(part);
  return doc.with(part, setPath(inner instanceof Doc ? inner : Doc.EMPTY, parts, depth + 1, value));
}
