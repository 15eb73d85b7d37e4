import { Bracket } from '../bson/compare.ts';
import { visitPath } from '../bson/path.ts';
import { DateTime, type Doc, type Value } from '../bson/values.ts';
import type { Index } from '../indexes/index.ts';
import { bracketStart, encodeValue } from '../indexes/key.ts';
import { Blocked } from '../storage/claims.ts';
import type { Collection } from '../storage/collection.ts';
import type { Engine } from './engine.ts';

/** MongoDB's TTL monitor runs once a minute (manual: core/index-ttl). */
const DEFAULT_INTERVAL_MS = 60_000;
/** So many documents are removed in one go; the rest waits for the next turn of the event loop. */
const PER_TURN = 500;

/** Removes documents whose time is over, by the TTL indexes. */
export class TtlMonitor {
  intervalMs = DEFAULT_INTERVAL_MS;
  private readonly engine: Engine;
  private timer: NodeJS.Timeout | undefined;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  start(intervalMs = this.intervalMs): void {
    this.intervalMs = intervalMs;
    this.schedule(intervalMs);
  }

  private schedule(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.schedule(this.pass() ? 0 : this.intervalMs), delayMs).unref();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  /** One pass over all TTL indexes; true when there is more to remove. */
  pass(now = Date.now()): boolean {
    let more = false;
    for (const collection of this.engine.store.collections.values()) {
      if (removeByOptions(collection, now)) more = true;
      for (const index of collection.indexes) {
        const seconds = index.spec.expireAfterSeconds;
        if (seconds !== undefined && removeExpired(collection, index, now - seconds * 1000)) more = true;
      }
    }
    this.engine.store.recorder.commit();
    return more;
  }
}

/** The documents of a clustered collection expire by their `_id`, measurements by their time. */
function removeByOptions(collection: Collection, now: number): boolean {
  const { expireAfterSeconds, timeSeries } = collection.kind;
  if (expireAfterSeconds === undefined) return false;
  const before = now - expireAfterSeconds * 1000;
  if (timeSeries === undefined) return removeExpired(collection, collection.idIndex, before);
  const expired: [number, Doc][] = [];
  for (const [recordId, doc] of collection.records.entries()) {
    const time = doc.get(timeSeries.timeField);
    if (time instanceof DateTime && time.ms <= before) expired.push([recordId, doc]);
    if (expired.length === PER_TURN) break;
  }
  const removed = expired.filter(([recordId, doc]) => removeNow(collection, recordId, doc)).length;
  return removed >= PER_TURN;
}

function removeExpired(collection: Collection, index: Index, before: number): boolean {
  const descending = index.fields[0]?.descending === true;
  const last = encodeValue(new DateTime(before));
  const first = bracketStart(Bracket.Date);
  const expired: number[] = [];
  // A descending index holds the dates the other way round; there are few enough of them to look at each.
  const range = descending ? index.tree.entries() : index.tree.entries(first);
  for (const [key, recordId] of range) {
    if (!descending && !key.startsWith(first)) break;
    if (!descending && key > `${last}\uffff`) break;
    expired.push(recordId);
    if (expired.length >= PER_TURN && !descending) break;
  }
  let removed = 0;
  for (const recordId of expired) {
    const doc = collection.records.get(recordId);
    if (doc === undefined || !isExpired(doc, index, before)) continue;
    if (removeNow(collection, recordId, doc)) removed += 1;
  }
  return removed >= PER_TURN;
}

/** What an open transaction has changed is left to a later pass. */
function removeNow(collection: Collection, recordId: number, doc: Doc): boolean {
  try {
    collection.remove(recordId, doc);
    return true;
  } catch (error) {
    if (error instanceof Blocked) return false;
    throw error;
  }
}

/** Of an array of dates the earliest counts. */
function isExpired(doc: Doc, index: Index, before: number): boolean {
  const test = (value: Value | undefined): boolean => value instanceof DateTime && value.ms <= before;
  return visitPath(doc, index.fields[0]?.parts ?? [], 0, (value) =>
    Array.isArray(value) ? value.some(test) : test(value),
  );
}
