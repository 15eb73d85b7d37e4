import type { Timestamp } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { comparePositions, type Position } from '../storage/history.ts';
import { PastView } from '../storage/past-view.ts';
import { StoreView } from '../storage/view.ts';
import type { Engine } from './engine.ts';

/** So many moments are kept as they were read last; a session reads the same one again and again. */
const KEPT = 8;

export interface Snapshot {
  readonly time: Timestamp;
  readonly view: StoreView;
}

/** Past moments of the data, for reads with read concern `snapshot` (manual: reference/read-concern-snapshot). */
export class Snapshots {
  private readonly engine: Engine;
  private readonly kept = new Map<string, Snapshot>();

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** The data at a time, or now. */
  at(wanted: Timestamp | undefined): Snapshot {
    const time = wanted ?? this.engine.clock.now;
    const key = `${time.seconds}/${time.increment}`;
    const snapshot = this.kept.get(key) ?? { time, view: this.viewAt(time) };
    this.kept.delete(key);
    this.kept.set(key, snapshot);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= KEPT) break;
      this.kept.delete(oldest);
    }
    return snapshot;
  }

  /** A new view, which a transaction may also change. */
  viewAt({ seconds, increment }: Timestamp): StoreView {
    const { clock, history, store } = this.engine;
    const position: Position = { seconds, increment, order: 0xffffffff };
    const later = seconds - clock.seconds || increment - clock.increment;
    if (later === 0) return new StoreView(store);
    if (later > 0) {
      throw new MongoError(
        ErrorCode.InvalidOptions,
        `readConcern atClusterTime value must not be greater than the current clusterTime. Requested clusterTime: (${seconds}, ${increment})`,
      );
    }
    if (comparePositions(position, history.oldest) < 0) {
      throw new MongoError(
        ErrorCode.SnapshotTooOld,
        `Read timestamp (${seconds}, ${increment}) is older than the oldest available timestamp.`,
      );
    }
    return new PastView(store, history, position);
  }
}
