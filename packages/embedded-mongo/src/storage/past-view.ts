import { ErrorCode, MongoError, TRANSIENT } from '../errors.ts';
import type { Collection } from './collection.ts';
import type { Store } from './database.ts';
import type { History, Position } from './history.ts';
import { StoreView } from './view.ts';

/**
 * The store as it was at a moment that is over: as it is now, with the changes since then undone (manual:
 * reference/read-concern-snapshot, "Read Concern and atClusterTime"). What happened to whole collections is not undone.
 */
export class PastView extends StoreView {
  private readonly absent = new Set<string>();
  private readonly unavailable = new Set<string>();

  constructor(main: Store, history: History, at: Position) {
    super(main);
    for (const event of history.backTo(at)) {
      const { kind, namespace, to, collectionId, recordId, before } = event;
      if (kind === 'create') this.absent.add(namespace);
      else if (kind === 'drop' || kind === 'rename' || kind === 'modify') this.unavailable.add(namespace);
      if (to !== undefined) this.unavailable.add(to);
      if (recordId === undefined || this.isHidden(namespace)) continue;
      const collection = super.get(namespace);
      if (collection?.id === collectionId) collection?.restore(recordId, before);
    }
  }

  private isHidden(namespace: string): boolean {
    return this.absent.has(namespace) || this.unavailable.has(namespace);
  }

  override get(namespace: string): Collection | undefined {
    if (this.unavailable.has(namespace)) {
      throw new MongoError(
        ErrorCode.SnapshotUnavailable,
        `Unable to read from a snapshot due to pending collection catalog changes; please retry the operation. Collection: ${namespace}`,
        {},
        [TRANSIENT],
      );
    }
    return this.absent.has(namespace) ? undefined : super.get(namespace);
  }
}
