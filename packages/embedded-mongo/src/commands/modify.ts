import type { Doc, Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { choosePlan, type SortField } from '../plan/planner.ts';
import { type Counters, Scan } from '../plan/scan.ts';
import { sortStream } from '../plan/sort.ts';
import { MapStream, MatchingScan, PAUSE, Slice } from '../plan/stream.ts';
import type { Matcher } from '../query/match.ts';
import type { Collection, Stored } from '../storage/collection.ts';
import type { Update } from '../update/update.ts';
import { documentFromQuery } from '../update/upsert.ts';

/** Which documents a write is about. */
export interface Target {
  readonly matcher: Matcher;
  readonly sort: readonly SortField[];
  readonly hint: Value | undefined;
}

/** The record ids of what matches, at most `limit` of them, in order. Nothing is changed yet. */
export function* locate(
  collection: Collection,
  target: Target,
  limit: number,
  counters: Counters,
): Generator<undefined, Stored[]> {
  const plan = choosePlan(collection, target.matcher, target.sort, target.hint);
  const scan = new Scan(collection, plan, counters);
  const matching = new MatchingScan(scan, target.matcher, new Slice());
  const found: Stored[] = [];
  if (plan.sorted) {
    for (;;) {
      const doc = matching.next();
      if (doc === PAUSE) {
        matching.detach();
        yield;
      } else if (doc === undefined) {
        return found;
      } else {
        found.push({ recordId: scan.recordId, doc });
        if (found.length === limit) return found;
      }
    }
  }
  const recordIds = new Map<Doc, number>();
  const noted = new MapStream(matching, (doc) => {
    recordIds.set(doc, scan.recordId);
    return doc;
  });
  const sorted = sortStream(noted, target.sort, target.matcher.ordering, limit);
  for (;;) {
    const doc = sorted.next();
    if (doc === PAUSE) {
      sorted.detach();
      yield;
    } else if (doc === undefined) {
      return found;
    } else {
      found.push({ recordId: recordIds.get(doc) as number, doc });
    }
  }
}

/**
 * The record's document as it is now, if it is still one of those the write is about. Since the scan found it, other
 * commands may have run.
 */
export function current(collection: Collection, { recordId, doc }: Stored, matcher: Matcher): Doc | undefined {
  if (collection.dropped) return undefined;
  const now = collection.records.get(recordId);
  if (now === undefined || now === doc) return now;
  return matcher.matches(now) ? now : undefined;
}

/** Changes one document; the same document is returned when the update leaves it as it was. */
export function updateOne(
  collection: Collection,
  recordId: number,
  before: Doc,
  update: Update,
  matcher: Matcher,
  validate = true,
): Doc {
  const details = { position: -1 };
  if (update.positional) matcher.matches(before, details);
  const after = update.apply(before, details.position, false);
  if (after !== before) {
    collection.replace(recordId, before, after, validate, update.replaces, update.describe);
  }
  return after;
}

/** The document that an upsert inserts when nothing matched. */
export function upsertDocument(matcher: Matcher, update: Update, replaces: boolean): Doc {
  const start = documentFromQuery(matcher.root, replaces);
  const position = -1;
  const made = update.apply(start, position, true);
  if (Array.isArray(made.get('_id'))) {
    throw new MongoError(ErrorCode.InvalidIdField, "The '_id' value cannot be of type array");
  }
  return made;
}
