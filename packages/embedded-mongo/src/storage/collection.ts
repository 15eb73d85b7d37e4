import type BTree from 'sorted-btree';
import { encodeDocument } from '../bson/encode.ts';
import { type Binary, Doc } from '../bson/values.ts';
import { parseCollation } from '../collation/collation.ts';
import { BINARY, type Ordering } from '../collation/ordering.ts';
import type { MongoError } from '../errors.ts';
import { topScope } from '../expression/scope.ts';
import { Index, newTree } from '../indexes/index.ts';
import type { IndexSpec } from '../indexes/spec.ts';
import { Slice } from '../plan/stream.ts';
import { Matcher } from '../query/match.ts';
import { type Claims, keyClaim, patiently, recordClaim } from './claims.ts';
import { type Capped, type CollectionKind, kindOf } from './collection-kind.ts';
import { checkValid, measurement, withIdFirst } from './document-rules.ts';
import { duplicateKey } from './duplicate-key.ts';
import { addTo, applyChanges, type IndexChange, planChanges } from './index-changes.ts';
import { checkStorable, insertTooLarge, updateTooLarge } from './limits.ts';
import type { Describe, Recorder } from './recorder.ts';

/** One document in its collection. Documents are immutable: an update puts another under the same record id. */
export interface Stored {
  readonly recordId: number;
  readonly doc: Doc;
}

/** The store that a collection belongs to, as far as the collection needs it. */
export interface CollectionOwner {
  readonly recorder: Recorder;
  readonly claims: Claims;
  /** Throws when an open transaction has used the collection. */
  settle(collection: Collection): void;
}

/**
 * The records of one collection and its indexes. Every method does its whole work at once or throws before it has
 * changed anything; each change is handed to the recorder in the same breath.
 */
export class Collection {
  readonly id: number;
  readonly uuid: Binary;
  namespace: string;
  options: Doc;
  /** Whether it is capped, clustered or a time series. */
  kind: CollectionKind = {};
  validator: Matcher | undefined;
  /** Its default collation, for commands that name none (manual: reference/collation). */
  ordering: Ordering = BINARY;
  records: BTree<number, Doc> = newTree<number, Doc>();
  indexes: Index[] = [];
  dropped = false;
  /** Indexes that are being built: writes keep them up to date, queries do not use them yet. */
  private building: Index[] = [];
  private readonly broken = new Map<Index, MongoError>();
  /** The sum of the documents' BSON sizes. */
  dataBytes = 0;
  private nextRecordId = 1;
  private images = false;
  protected readonly owner: CollectionOwner;

  constructor(id: number, namespace: string, options: Doc, uuid: Binary, owner: CollectionOwner) {
    this.id = id;
    this.namespace = namespace;
    this.options = options;
    this.uuid = uuid;
    this.owner = owner;
    this.setOptions(options);
  }

  get name(): string {
    return this.namespace.slice(this.namespace.indexOf('.') + 1);
  }

  private get maintained(): Index[] {
    return this.building.length === 0 ? this.indexes : [...this.indexes, ...this.building];
  }

  /** Change streams may ask for its documents before and after a change. */
  get keepsImages(): boolean {
    return this.images;
  }

  get idIndex(): Index {
    return this.indexes[0] as Index;
  }

  setOptions(options: Doc): void {
    this.options = options;
    this.kind = kindOf(options);
    const images = options.get('changeStreamPreAndPostImages');
    this.images = images instanceof Doc && images.get('enabled') === true;
    this.ordering = parseCollation(options.get('collation')) ?? BINARY;
    const validator = options.get('validator');
    this.validator =
      validator instanceof Doc && validator.size > 0
        ? new Matcher(validator, { scope: topScope(undefined, undefined, this.ordering) })
        : undefined;
  }

  /** Stores a document, giving it an `_id` when it has none. */
  insert(input: Doc, validate = true): Stored {
    const { timeSeries, capped } = this.kind;
    const doc = timeSeries === undefined ? withIdFirst(input) : measurement(input, timeSeries);
    checkStorable(doc, insertTooLarge);
    if (validate) checkValid(this.validator, this.options, doc);
    const recordId = this.takeRecordId();
    const changes = planChanges(this.namespace, this.maintained, undefined, doc, recordId);
    this.admit(recordId, undefined, changes);
    applyChanges(changes, recordId);
    this.put(recordId, doc);
    this.owner.recorder.put(this, recordId, doc, undefined, false);
    if (capped !== undefined) this.evict(capped);
    return { recordId, doc };
  }

  /** The oldest make room in a capped collection; what has just been inserted stays. */
  private evict({ size, max }: Capped): void {
    while (this.records.size > 1 && (this.dataBytes > size || this.records.size > max)) {
      const oldest = this.records.minKey() as number;
      this.remove(oldest, this.records.get(oldest) as Doc);
    }
  }

  /** The indexes that `listIndexes` shows: a time series has none on `_id`. */
  get listedIndexes(): Index[] {
    return this.kind.timeSeries === undefined ? this.indexes : this.indexes.slice(1);
  }

  takeRecordId(): number {
    return this.nextRecordId++;
  }

  /** Throws when somebody else has a claim on the record or on one of the keys it is about to have. */
  protected admit(recordId: number, _before: Doc | undefined, changes: readonly IndexChange[]): void {
    if (this.owner.claims.size > 0) this.owner.claims.check(this.claimsOf(recordId, changes));
  }

  /** What a change of the record has to itself: the record and its new keys in unique indexes. */
  protected *claimsOf(recordId: number, changes: readonly IndexChange[]): Generator<string> {
    yield recordClaim(this.id, recordId);
    for (const { index, after } of changes) {
      if (!index.refusesDuplicates || after === undefined) continue;
      for (const key of after.keys) yield keyClaim(this.id, index.spec.name, key);
    }
  }

  /** Puts `after` in the place of the record's document; `replaces` when it was given as a whole. */
  replace(recordId: number, before: Doc, after: Doc, validate = true, replaces = false, describe?: Describe): void {
    checkStorable(after, updateTooLarge);
    if (validate) checkValid(this.validator, this.options, after, before);
    const changes = planChanges(this.namespace, this.maintained, before, after, recordId);
    this.admit(recordId, before, changes);
    applyChanges(changes, recordId);
    this.dataBytes -= encodeDocument(before).length;
    this.put(recordId, after);
    this.owner.recorder.put(this, recordId, after, before, replaces, describe);
  }

  remove(recordId: number, doc: Doc): void {
    this.admit(recordId, doc, []);
    for (const index of this.maintained) {
      const keys = index.keysOf(doc);
      if (keys !== undefined) index.remove(keys, recordId);
    }
    this.dataBytes -= encodeDocument(doc).length;
    this.records.delete(recordId);
    this.owner.recorder.remove(this, recordId, doc);
  }

  /** What recovery does with a journalled document: no checks, no recording. */
  restore(recordId: number, doc: Doc | undefined): void {
    const before = this.records.get(recordId);
    if (before !== undefined) {
      this.dataBytes -= encodeDocument(before).length;
      this.records.delete(recordId);
    }
    for (const index of this.maintained) {
      const old = before === undefined ? undefined : index.keysOf(before);
      if (old !== undefined) index.remove(old, recordId);
      const fresh = doc === undefined ? undefined : index.keysOf(doc);
      if (fresh === undefined || doc === undefined) continue;
      // A transaction that began before the index may bring a key twice: then the building of the index fails.
      const conflict = index.conflict(fresh, recordId);
      if (conflict !== undefined) this.broken.set(index, duplicateKey(this.namespace, index, doc, conflict.key));
      index.add(fresh, recordId);
    }
    if (doc !== undefined) this.put(recordId, doc);
    this.nextRecordId = Math.max(this.nextRecordId, recordId + 1);
  }

  /** Makes a change of a transaction that was checked when the transaction made it. */
  applyCommitted(
    recordId: number,
    doc: Doc | undefined,
    before: Doc | undefined,
    replaces = false,
    describe?: Describe,
  ): void {
    this.restore(recordId, doc);
    if (doc !== undefined) this.owner.recorder.put(this, recordId, doc, before, replaces, describe);
    else if (before !== undefined) this.owner.recorder.remove(this, recordId, before);
  }

  private put(recordId: number, doc: Doc): void {
    this.records.set(recordId, doc);
    this.dataBytes += encodeDocument(doc).length;
  }

  /** Builds an index over what is stored. Nothing remains of it when a unique key occurs twice. */
  buildIndex(spec: IndexSpec): Index {
    this.owner.settle(this);
    const index = new Index(spec);
    for (const [recordId, doc] of this.records.entries()) addTo(this.namespace, index, recordId, doc);
    this.indexes.push(index);
    return index;
  }

  /** Gives an index another specification; one that becomes unique is built anew. */
  respecify(index: Index, spec: IndexSpec): void {
    if (spec.unique === index.spec.unique) {
      index.spec = spec;
      return;
    }
    const rebuilt = new Index(spec);
    for (const [recordId, doc] of this.records.entries()) addTo(this.namespace, rebuilt, recordId, doc);
    this.indexes = this.indexes.map((other) => (other === index ? rebuilt : other));
  }

  /** The same beside other commands. What they write meanwhile is in the index at once, or is met by the scan. */
  *buildIndexInSlices(spec: IndexSpec): Generator<undefined | Promise<void>, void> {
    yield* patiently(() => this.owner.settle(this));
    const index = new Index(spec);
    this.building = [...this.building, index];
    try {
      const slice = new Slice();
      let next: number | undefined = 0;
      while (next !== undefined) {
        const from: number = next;
        next = undefined;
        for (const [recordId, doc] of this.records.entries(from)) {
          if (slice.expired()) {
            next = recordId;
            break;
          }
          addTo(this.namespace, index, recordId, doc);
        }
        if (next !== undefined) yield;
      }
      yield* patiently(() => this.owner.settle(this));
      const error = this.broken.get(index);
      if (error !== undefined) throw error;
      this.indexes = [...this.indexes, index];
    } finally {
      this.broken.delete(index);
      this.building = this.building.filter((other) => other !== index);
    }
  }
}
