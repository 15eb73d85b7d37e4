import type { Doc } from '../bson/values.ts';
import { ErrorCode, MongoError, TRANSIENT, writeConflict } from '../errors.ts';
import type { Index } from '../indexes/index.ts';
import type { IndexSpec } from '../indexes/spec.ts';
import { namespaceClaim, recordClaim } from './claims.ts';
import { Collection } from './collection.ts';
import { type CollectionUser, checkNamespace, Store } from './database.ts';
import type { IndexChange } from './index-changes.ts';
import type { Recorder } from './recorder.ts';

/** A collection at the moment of the snapshot. Cloning a tree costs nothing: writers copy what they change. */
interface Frozen {
  readonly collection: Collection;
  readonly specs: readonly IndexSpec[];
  readonly options: Doc;
  readonly records: Collection['records'];
  readonly indexes: Index[];
  readonly dataBytes: number;
}

/**
 * The store as it was at one moment, with the changes of one transaction on top (manual: core/transactions,
 * "Read Concern snapshot"). Others see nothing of it until it is committed.
 */
export class StoreView extends Store implements CollectionUser {
  readonly ended: Promise<void>;
  isOpen = true;
  private readonly main: Store;
  private readonly frozen = new Map<string, Frozen>();
  private readonly claimed: string[] = [];
  private changes: ((main: Store) => void)[] = [];
  private readonly used = new Set<Collection>();
  private settleEnded: () => void = () => {};

  constructor(main: Store) {
    super();
    this.main = main;
    this.ended = new Promise((resolve) => {
      this.settleEnded = resolve;
    });
    for (const collection of main.collections.values()) {
      this.frozen.set(collection.namespace, {
        collection,
        specs: collection.indexes.map((index) => index.spec),
        options: collection.options,
        records: collection.records.clone(),
        indexes: collection.indexes.map((index) => index.copy()),
        dataBytes: collection.dataBytes,
      });
    }
    this.recorder = this.collector();
  }

  /** The first use of a collection makes its trees this view's own. */
  override get(namespace: string): Collection | undefined {
    const known = this.collections.get(namespace);
    if (known !== undefined) return known;
    const frozen = this.frozen.get(namespace);
    if (frozen === undefined) return undefined;
    if (isAltered(frozen, namespace)) {
      throw new MongoError(
        ErrorCode.SnapshotUnavailable,
        `Unable to read from a snapshot due to pending collection catalog changes; please retry the operation. Collection: ${namespace}`,
        {},
        [TRANSIENT],
      );
    }
    const view = new CollectionView(frozen, this);
    this.collections.set(namespace, view);
    this.used.add(frozen.collection);
    return view;
  }

  override create(namespace: string, options: Doc): Collection {
    checkNamespace(namespace);
    if (this.get(namespace) === undefined) {
      if (this.main.get(namespace) !== undefined) throw writeConflict();
      this.claim([namespaceClaim(namespace)]);
    }
    return super.create(namespace, options);
  }

  override takeCollectionId(): number {
    return this.main.takeCollectionId();
  }

  uses(collection: Collection): boolean {
    return this.used.has(collection);
  }

  holds(claim: string): boolean {
    return this.main.claims.holder(claim) === this;
  }

  /** Takes all of the claims, or none when another transaction has one. */
  claim(claims: readonly string[]): void {
    if (!this.isOpen) throw new MongoError(ErrorCode.NoSuchTransaction, 'the transaction has ended', {}, [TRANSIENT]);
    for (const claim of claims) {
      const holder = this.main.claims.holder(claim);
      if (holder !== undefined && holder !== this) throw writeConflict();
    }
    for (const claim of claims) {
      if (this.holds(claim)) continue;
      this.main.claims.take(claim, this);
      this.claimed.push(claim);
    }
  }

  get hasChanges(): boolean {
    return this.changes.length > 0;
  }

  /** Makes the changes in the store, in their order. Nobody else can have touched what they touch. */
  commit(): void {
    this.main.recorder.beginWhole();
    for (const change of this.changes) change(this.main);
    this.end();
  }

  /** Lets go of all claims; whoever waits for one goes on. */
  end(): void {
    this.isOpen = false;
    for (const claim of this.claimed) this.main.claims.release(claim);
    this.main.users.delete(this);
    this.changes = [];
    this.settleEnded();
  }

  private collector(): Recorder {
    const add = (change: (main: Store) => void): void => {
      this.changes.push(change);
    };
    return {
      put: ({ id }, recordId, doc, before, replaces, describe) =>
        add((main) => main.withId(id)?.applyCommitted(recordId, doc, before, replaces, describe)),
      remove: ({ id }, recordId, before) => add((main) => main.withId(id)?.applyCommitted(recordId, undefined, before)),
      createCollection: ({ id, namespace, options, uuid }) =>
        add((main) => main.recorder.createCollection(main.adopt(id, namespace, options, uuid))),
      createIndex: ({ id }, spec) =>
        add((main) => {
          const collection = main.withId(id);
          collection?.buildIndex(spec);
          if (collection !== undefined) main.recorder.createIndex(collection, spec);
        }),
      dropCollection: refused,
      alterCollection: refused,
      dropIndex: refused,
      alterIndex: refused,
      dropDatabase: refused,
      time: () => {},
      beginWhole: () => {},
      commit: () => {},
    };
  }
}

function refused(): never {
  throw new MongoError(ErrorCode.OperationNotSupportedInTransaction, 'not allowed in a transaction');
}

function isAltered({ collection, specs, options }: Frozen, namespace: string): boolean {
  const { indexes } = collection;
  return (
    collection.dropped ||
    collection.namespace !== namespace ||
    collection.options !== options ||
    indexes.length !== specs.length ||
    indexes.some((index, at) => index.spec !== specs[at])
  );
}

/** Manual: core/transactions, "Restricted Operations", and core/timeseries-collections. */
function refuseKind({ kind, namespace }: Collection): void {
  if (kind.capped === undefined && kind.timeSeries === undefined) return;
  throw new MongoError(
    ErrorCode.OperationNotSupportedInTransaction,
    kind.capped === undefined
      ? `Cannot write to a time-series collection in a multi-document transaction: ${namespace}`
      : `Collection '${namespace}' is a capped collection. Writes in transactions are not allowed on capped collections.`,
  );
}

/** A collection as a transaction sees it. Its changes are checked against everybody else's when they are made. */
class CollectionView extends Collection {
  private readonly origin: Collection;
  private readonly view: StoreView;

  constructor({ collection, records, indexes, dataBytes }: Frozen, view: StoreView) {
    super(collection.id, collection.namespace, collection.options, collection.uuid, view);
    this.origin = collection;
    this.view = view;
    this.records = records;
    this.indexes = indexes;
    this.dataBytes = dataBytes;
  }

  override buildIndex(): never {
    throw new MongoError(
      ErrorCode.OperationNotSupportedInTransaction,
      `Cannot create new indexes on existing collection ${this.namespace} in a multi-document transaction.`,
    );
  }

  override buildIndexInSlices(): never {
    return this.buildIndex();
  }

  override takeRecordId(): number {
    return this.origin.takeRecordId();
  }

  protected override admit(recordId: number, before: Doc | undefined, changes: readonly IndexChange[]): void {
    const { origin, view } = this;
    refuseKind(origin);
    const isFirst = !view.holds(recordClaim(this.id, recordId));
    // Somebody has committed another version since the snapshot.
    if (isFirst && origin.records.get(recordId) !== before) throw writeConflict();
    for (const { index, after } of changes) {
      if (!index.refusesDuplicates || after === undefined) continue;
      const current = origin.indexes.find((other) => other.spec === index.spec);
      for (const key of after.keys) {
        const holder = current?.holderOf(key, recordId);
        // A key that this view does not have: taken since the snapshot, or freed by this transaction itself.
        if (holder === undefined || view.holds(recordClaim(this.id, holder))) continue;
        throw writeConflict();
      }
    }
    view.claim([...this.claimsOf(recordId, changes)]);
  }
}
