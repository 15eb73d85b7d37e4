import type BTree from 'sorted-btree';
import type { Doc } from '../bson/values.ts';
import type { Index, KeyTree } from '../indexes/index.ts';
import { readKey } from '../indexes/key-reader.ts';
import type { Collection } from '../storage/collection.ts';
import { EVERYTHING, type Interval } from './bounds.ts';
import type { IndexPlan, Plan } from './planner.ts';

/** Counts that `explain` reports. They are counted where the work is done, never estimated. */
export interface Counters {
  keysExamined: number;
  docsExamined: number;
}

/** A source of record ids that survives changes of its tree once it was detached from it. */
interface IdSource {
  next(): number | undefined;
  detach(): void;
  /** Where the record was found last: the index, and the entry's key. */
  readonly entry: IndexEntry | undefined;
}

export interface IndexEntry {
  readonly index: Index;
  readonly key: string;
}

/** Walks ranges of an index, forwards or backwards. */
class IndexWalk implements IdSource {
  private tree: KeyTree;
  private readonly ranges: readonly Interval[];
  private readonly backward: boolean;
  private readonly counters: Counters;
  private readonly seen: Set<number> | undefined;
  private readonly index: Index;
  /** Its one range is one key of a unique index. */
  private readonly isOne: boolean;
  private key = '';
  private at = 0;
  private entries: Iterator<[string, number]> | undefined;
  private readonly pair: (string | number)[] = [];

  constructor(plan: IndexPlan, counters: Counters) {
    this.index = plan.index;
    this.isOne = plan.bounds.unique && plan.bounds.ranges.length === 1;
    this.tree = plan.index.tree;
    this.ranges = plan.backward ? plan.bounds.ranges.toReversed() : plan.bounds.ranges;
    this.backward = plan.backward;
    this.counters = counters;
    this.seen = plan.index.isMultikey ? new Set() : undefined;
  }

  next(): number | undefined {
    for (;;) {
      const range = this.ranges[this.at];
      if (range === undefined) return undefined;
      if (this.isOne) {
        this.at += 1;
        const id = this.tree.get(range.from);
        if (id === undefined) continue;
        this.counters.keysExamined += 1;
        this.key = range.from;
        return id;
      }
      this.entries ??= this.backward
        ? this.tree.entriesReversed(range.to, this.pair, true)
        : this.tree.entries(range.from, this.pair);
      const result = this.entries.next();
      const key = result.done === true ? undefined : result.value[0];
      if (key === undefined || (this.backward ? key < range.from : key >= range.to)) {
        this.entries = undefined;
        this.at += 1;
        continue;
      }
      this.counters.keysExamined += 1;
      const id = (result as IteratorYieldResult<[string, number]>).value[1];
      if (this.seen !== undefined) {
        if (this.seen.has(id)) continue;
        this.seen.add(id);
      }
      this.key = key;
      return id;
    }
  }

  get entry(): IndexEntry {
    const { index, key } = this;
    return { index, key };
  }

  /** Cloning marks the nodes as shared: from then on writers copy them, and the running iterator keeps its own. */
  detach(): void {
    this.tree = this.tree.clone();
  }
}

/** One walk after the other, each record once. */
class UnionWalk implements IdSource {
  private readonly walks: IdSource[];
  private readonly seen = new Set<number>();
  private at = 0;

  constructor(walks: IdSource[]) {
    this.walks = walks;
  }

  next(): number | undefined {
    for (;;) {
      const walk = this.walks[this.at];
      if (walk === undefined) return undefined;
      const id = walk.next();
      if (id === undefined) {
        this.at += 1;
      } else if (!this.seen.has(id)) {
        this.seen.add(id);
        return id;
      }
    }
  }

  get entry(): IndexEntry | undefined {
    return this.walks[this.at]?.entry;
  }

  detach(): void {
    for (const walk of this.walks) walk.detach();
  }
}

function wholeIndex(index: Index, backward: boolean): IndexPlan {
  const bounds = { fields: [EVERYTHING], bounded: 0, points: 0, unique: false, ranges: EVERYTHING };
  return { kind: 'index', index, bounds, backward, sorted: true };
}

const NONE: readonly IndexPlan[] = [];

/** Delivers the records of a plan, not yet matched. */
export class Scan {
  recordId = 0;
  readonly counters: Counters;
  private records: BTree<number, Doc>;
  private readonly ids: IdSource | undefined;
  private readonly entries: Iterator<[number, Doc]> | undefined;
  private readonly pair: (number | Doc)[] = [];
  private detached = false;
  /** The keys tell all that is asked. */
  private readonly covered: boolean;
  private used: readonly IndexPlan[];

  constructor(collection: Collection, plan: Plan, counters: Counters) {
    this.counters = counters;
    this.records = collection.records;
    this.covered = plan.kind === 'index' && plan.covers === true;
    this.used = plan.kind === 'collection' ? [] : plan.kind === 'index' ? [plan] : plan.branches;
    if (plan.kind === 'collection' && collection.kind.clustered !== undefined) {
      // The documents lie in the order of their _id.
      this.ids = new IndexWalk(wholeIndex(collection.idIndex, plan.backward), { keysExamined: 0, docsExamined: 0 });
    } else if (plan.kind === 'collection') {
      this.entries = plan.backward
        ? this.records.entriesReversed(undefined, this.pair)
        : this.records.entries(undefined, this.pair);
    } else if (plan.kind === 'index') {
      // A clustered collection has no keys beside its documents.
      const isClustered = plan.index.spec.document.get('clustered') === true;
      this.ids = new IndexWalk(plan, isClustered ? { keysExamined: 0, docsExamined: 0 } : counters);
    } else {
      this.ids = new UnionWalk(plan.branches.map((branch) => new IndexWalk(branch, counters)));
    }
  }

  /** The next record's document, or of a covered plan what its key tells; its id is in `recordId`. */
  next(): Doc | undefined {
    if (this.ids === undefined) {
      const result = this.entries?.next();
      if (result === undefined || result.done === true) return undefined;
      this.counters.docsExamined += 1;
      this.recordId = result.value[0];
      return result.value[1];
    }
    if (this.used.length > 0) this.noteUse();
    const id = this.ids.next();
    if (id === undefined) return undefined;
    this.recordId = id;
    const { entry } = this.ids;
    if (this.covered && entry !== undefined) return readKey(entry.key, entry.index.fields);
    this.counters.docsExamined += 1;
    return this.records.get(id);
  }

  /** The index entry that led to the document of the last `next`. */
  get entry(): IndexEntry | undefined {
    return this.used === NONE ? this.ids?.entry : undefined;
  }

  /** An index counts as used when it is first read. */
  private noteUse(): void {
    for (const { index } of this.used) index.usage.ops += 1;
    this.used = NONE;
  }

  /** From now on the scan sees the collection as it is, whatever is written meanwhile. */
  detach(): void {
    if (this.detached) return;
    this.detached = true;
    this.ids?.detach();
    this.records = this.records.clone();
  }
}
