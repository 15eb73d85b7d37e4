import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError, typeMismatch } from '../errors.ts';
import type { Index } from '../indexes/index.ts';
import { parseIndexSpec } from '../indexes/spec.ts';
import type { Collection } from '../storage/collection.ts';
import type { Recorder } from '../storage/recorder.ts';
import { findIndex } from './indexes.ts';

const FIELDS = new Set(['keyPattern', 'name', 'expireAfterSeconds', 'hidden', 'prepareUnique', 'unique']);

/**
 * The part of `collMod` that is about an index (manual: reference/command/collMod, "Change Index Properties"): its
 * expiry, whether it is hidden, and whether it is or is to become unique.
 */
export function alterIndex(
  collection: Collection,
  change: Value,
  recorder: Recorder,
  dryRun: boolean,
): Record<string, Value> {
  if (!(change instanceof Doc)) throw typeMismatch("BSON field 'collMod.index' is the wrong type");
  for (const field of change.keys) {
    if (!FIELDS.has(field)) throw new MongoError(40415, `BSON field 'collMod.index.${field}' is an unknown field.`);
  }
  const index = findIndex(collection, change.get('keyPattern') ?? change.get('name'));
  const reply: Record<string, Value> = {};
  let { document } = index.spec;
  const seconds = change.get('expireAfterSeconds');
  if (seconds !== undefined) {
    if (index.spec.expireAfterSeconds !== undefined)
      reply.expireAfterSeconds_old = BigInt(index.spec.expireAfterSeconds);
    document = document.with('expireAfterSeconds', seconds);
    reply.expireAfterSeconds_new = isNumeric(seconds) ? BigInt(toDouble(seconds)) : seconds;
  }
  for (const field of ['hidden', 'prepareUnique'] as const) {
    const wanted = change.get(field);
    if (wanted === undefined) continue;
    reply[`${field}_old`] = index.spec[field];
    reply[`${field}_new`] = wanted;
    document = wanted === true ? document.with(field, true) : document.without(field);
  }
  if (change.get('unique') === true) {
    checkConvertible(collection, index);
    document = document.without('prepareUnique').with('unique', true);
    reply.unique_new = true;
  }
  if (dryRun) return {};
  const spec = parseIndexSpec(document);
  collection.respecify(index, spec);
  recorder.alterIndex(collection, spec, change);
  return reply;
}

/** An index becomes unique in two steps: first new duplicates are refused, then there must be none left. */
function checkConvertible(collection: Collection, index: Index): void {
  if (index.spec.unique) return;
  if (!index.spec.prepareUnique) {
    throw new MongoError(
      ErrorCode.InvalidOptions,
      "Cannot make index unique with 'prepareUnique=false'. Run collMod to set it first.",
    );
  }
  const violations = duplicates(collection, index);
  if (violations.length === 0) return;
  throw new MongoError(
    ErrorCode.CannotConvertIndexToUnique,
    'Cannot convert the index to unique. Please resolve conflicting documents before running collMod again.',
    { violations },
  );
}

/** The `_id`s of the documents that share a key, for each such key. */
function duplicates({ records }: Collection, index: Index): Doc[] {
  const violations: Doc[] = [];
  let key: string | undefined;
  let ids: Value[] = [];
  const close = (): void => {
    if (ids.length > 1) violations.push(Doc.of({ ids }));
  };
  for (const [entry, recordId] of index.tree.entries()) {
    const own = index.keyOf(entry);
    if (own !== key) {
      close();
      key = own;
      ids = [];
    }
    ids.push(records.get(recordId)?.get('_id') ?? null);
  }
  close();
  return violations;
}
