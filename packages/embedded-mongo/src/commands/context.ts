import { Doc, Double, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError, typeMismatch } from '../errors.ts';
import { PAUSE, type Stream } from '../plan/stream.ts';
import { typeName } from '../query/types.ts';
import type { Engine } from '../server/engine.ts';
import { checkNamespace } from '../storage/database.ts';

/** One command being run. */
export interface CommandContext {
  readonly engine: Engine;
  readonly command: Doc;
  /** The command's name as it was sent. */
  readonly name: string;
  readonly database: string;
  readonly connectionId: number;
}

/** A command lets others run, or waits for a promise before it goes on. */
export type Pause = Promise<void> | undefined;

/**
 * A command either answers at once or runs in slices: each `yield` lets other commands run. Between two yields it has
 * the data to itself, so a check and the change that rests on it stand without a yield between them.
 */
export type Running = Generator<Pause, Doc>;
export type Handler = (context: CommandContext) => Doc | Running;

export function ok(fields: Record<string, Value | undefined> = {}): Doc {
  return Doc.of({ ...fields, ok: ONE });
}
const ONE = new Double(1);

/** The full name of the collection that the command's first field names. */
export function namespaceOf({ command, database }: Pick<CommandContext, 'command' | 'database'>): string {
  const collection = command.values[0];
  if (typeof collection !== 'string') {
    throw new MongoError(ErrorCode.InvalidNamespace, `collection name has invalid type ${typeName(collection)}`);
  }
  const namespace = `${database}.${collection}`;
  checkNamespace(namespace);
  return namespace;
}

export function docField(command: Doc, field: string): Doc | undefined {
  const value = command.get(field);
  if (value === undefined || value === null) return undefined;
  if (value instanceof Doc) return value;
  throw typeMismatch(`BSON field '${field}' is the wrong type '${typeName(value)}', expected type 'object'`);
}

export function numberField(command: Doc, field: string): number | undefined {
  const value = command.get(field);
  if (value === undefined || value === null) return undefined;
  if (isNumeric(value)) return toDouble(value);
  throw typeMismatch(
    `BSON field '${field}' is the wrong type '${typeName(value)}', expected types '[long, int, decimal, double]'`,
  );
}

export function listField(command: Doc, field: string): Value[] {
  const value = command.get(field);
  if (Array.isArray(value)) return value;
  if (value === undefined) throw new MongoError(40414, `BSON field '${field}' is missing but a required field`);
  throw typeMismatch(`BSON field '${field}' is the wrong type '${typeName(value)}', expected type 'array'`);
}

/** A document with room for what a command puts around it (manual: reference/limits, "BSON Documents"). */
const MAX_RESULT_BYTES = 16 * 1024 * 1024 + 16 * 1024;

/** Up to `most` documents of a stream, or fewer when their bytes reach the limit; lets others run in between. */
export function* pull(
  stream: Stream,
  most: number,
  bytesOf: (doc: Doc) => number,
  maxBytes: number,
): Generator<undefined, Pull> {
  const docs: Doc[] = [];
  let bytes = 0;
  while (docs.length < most) {
    const doc = stream.next();
    if (doc === PAUSE) {
      stream.detach();
      yield;
      continue;
    }
    if (doc === undefined) return { docs, done: true, overflow: undefined };
    const size = bytesOf(doc);
    if (size > MAX_RESULT_BYTES) {
      throw new MongoError(
        ErrorCode.BSONObjectTooLarge,
        `BSONObj size: ${size} (0x${size.toString(16).toUpperCase()}) is invalid. Size must be between 0 and ${MAX_RESULT_BYTES}(16MB)`,
      );
    }
    bytes += size;
    if (bytes > maxBytes && docs.length > 0) return { docs, done: false, overflow: doc };
    docs.push(doc);
  }
  return { docs, done: false, overflow: undefined };
}

export interface Pull {
  readonly docs: Doc[];
  readonly done: boolean;
  /** A document that was taken from the stream and did not fit. */
  readonly overflow: Doc | undefined;
}
