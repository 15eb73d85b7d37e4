import type { Doc } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { Matcher } from '../query/match.ts';
import type { Collection } from '../storage/collection.ts';
import { PAUSE, type Pulled, Slice, type Stream } from './stream.ts';

/**
 * A capped collection in the order of insertion, over and over (manual: core/tailable-cursors): the stream has an end
 * for now whenever it has caught up. It reads the collection as it is, so that there is nothing to detach.
 */
export class TailStream implements Stream {
  private last: number | undefined;
  private readonly collection: Collection;
  private readonly matcher: Matcher;
  private readonly slice = new Slice();

  constructor(collection: Collection, matcher: Matcher) {
    this.collection = collection;
    this.matcher = matcher;
  }

  next(): Pulled {
    const { records, dropped, namespace } = this.collection;
    if (dropped) throw new MongoError(ErrorCode.QueryPlanKilled, `collection dropped or renamed: ${namespace}`);
    if (this.last !== undefined && !records.has(this.last)) {
      throw new MongoError(
        ErrorCode.CappedPositionLost,
        `CollectionScan died due to position in capped collection being deleted. Last seen record id: RecordId(${this.last})`,
      );
    }
    for (;;) {
      if (this.slice.expired()) return PAUSE;
      const pair: [number, Doc] | undefined = records.nextHigherPair(this.last);
      if (pair === undefined) return undefined;
      this.last = pair[0];
      if (this.matcher.matches(pair[1])) return pair[1];
    }
  }

  detach(): void {}
}
