import { Doc } from '../bson/values.ts';
import { badValue, ErrorCode, failedToParse, MongoError } from '../errors.ts';
import { LimitStream, MapStream, SkipStream, type Stream } from '../plan/stream.ts';
import { TailStream } from '../plan/tail.ts';
import type { Collection } from '../storage/collection.ts';
import { type CommandContext, ok, type Running } from './context.ts';
import type { FindRequest } from './find.ts';

/** Whether the cursor is to stay open at the end of a capped collection, and to wait there for more. */
export function tailing(command: Doc): { tails: boolean; awaits: boolean } {
  const tails = command.get('tailable') === true;
  const awaits = command.get('awaitData') === true;
  if (awaits && !tails) throw failedToParse("Cannot set 'awaitData' without also setting 'tailable'");
  if (!tails) return { tails, awaits };
  if (command.get('singleBatch') === true) throw badValue('cannot use tailable option with singleBatch option');
  return { tails, awaits };
}

/** Manual: core/tailable-cursors. */
export function* tail(context: CommandContext, request: FindRequest, batchSize: number, awaits: boolean): Running {
  const { namespace, spec, projection } = request;
  const collection = context.engine.store.get(namespace);
  checkTail(collection, request);
  // MongoDB keeps no cursor where there is nothing to stand on.
  if (collection === undefined || collection.records.size === 0) {
    return reply(namespace, 0n, []);
  }
  let stream: Stream = new TailStream(collection, spec.matcher);
  if (spec.skip > 0) stream = new SkipStream(stream, spec.skip);
  if (spec.limit > 0) stream = new LimitStream(stream, spec.limit);
  if (projection !== undefined) stream = new MapStream(stream, projection);
  const followed = { isInvalidated: false, awaits };
  const { id, docs } = yield* context.engine.cursors.follow(namespace, stream, followed, batchSize);
  return reply(namespace, id, docs);
}

function reply(ns: string, id: bigint, firstBatch: Doc[]): Doc {
  return ok({ cursor: Doc.of({ firstBatch, id, ns }) });
}

function checkTail(collection: Collection | undefined, { namespace, spec, display }: FindRequest): void {
  if (collection !== undefined && collection.kind.capped === undefined) {
    throw badValue(`error processing query: ns=${namespace} tailable cursor requested on non capped collection`);
  }
  if (display !== undefined || spec.between !== undefined) {
    throw new MongoError(ErrorCode.NotImplemented, 'tailable cursors with returnKey, showRecordId, min or max');
  }
  const [first] = spec.sort;
  if (first === undefined || (first.path === '$natural' && first.direction === 1)) return;
  throw badValue('cannot use tailable option with a sort other than {$natural: 1}');
}
