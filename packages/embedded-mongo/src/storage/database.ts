import { randomUUID } from 'node:crypto';
import { Binary, Doc } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { IndexSpec } from '../indexes/spec.ts';
import { Blocked, Claims, type Holder, namespaceClaim } from './claims.ts';
import { Collection } from './collection.ts';
import { NO_RECORDER, type Recorder } from './recorder.ts';

/** An open transaction, and whether it has used a collection. */
export interface CollectionUser extends Holder {
  uses(collection: Collection): boolean;
}

/** All collections of the server, by full namespace (`database.collection`). */
export class Store {
  readonly collections = new Map<string, Collection>();
  private readonly byId = new Map<number, Collection>();
  private nextCollectionId = 1;
  recorder: Recorder = NO_RECORDER;
  /** What open transactions hold. */
  readonly claims: Claims = new Claims();
  /** The open transactions, which a change of a collection they have used has to wait for. */
  readonly users = new Set<CollectionUser>();

  get(namespace: string): Collection | undefined {
    return this.collections.get(namespace);
  }

  withId(id: number): Collection | undefined {
    return this.byId.get(id);
  }

  /** The collections of a database, by name. */
  inDatabase(database: string): Collection[] {
    const prefix = `${database}.`;
    const found = [...this.collections.values()].filter((collection) => collection.namespace.startsWith(prefix));
    return found.sort((a, b) => (a.namespace < b.namespace ? -1 : 1));
  }

  databases(): string[] {
    const names = new Set<string>();
    for (const namespace of this.collections.keys()) names.add(namespace.slice(0, namespace.indexOf('.')));
    return [...names].sort();
  }

  create(namespace: string, options: Doc): Collection {
    checkNamespace(namespace);
    this.claims.check([namespaceClaim(namespace)]);
    if (this.collections.has(namespace)) {
      throw new MongoError(ErrorCode.NamespaceExists, `Collection ${namespace} already exists.`);
    }
    const uuid = new Binary(Buffer.from(randomUUID().replaceAll('-', ''), 'hex'), 4);
    const collection = this.adopt(this.takeCollectionId(), namespace, options, uuid);
    this.recorder.createCollection(collection);
    return collection;
  }

  takeCollectionId(): number {
    return this.nextCollectionId++;
  }

  /** Throws when an open transaction has used the collection: its snapshot rests on what the collection is like. */
  settle(collection: Collection): void {
    for (const user of this.users) if (user.uses(collection)) throw new Blocked(user);
  }

  /** The collection, created as the first write to it does. */
  ensure(namespace: string): Collection {
    return this.get(namespace) ?? this.create(namespace, Doc.EMPTY);
  }

  /** Registers a collection under a known id: what creation and recovery share. */
  adopt(id: number, namespace: string, options: Doc, uuid: Binary): Collection {
    const collection = new Collection(id, namespace, options, uuid, this);
    collection.buildIndex(idIndex(collection));
    this.collections.set(namespace, collection);
    this.byId.set(id, collection);
    this.nextCollectionId = Math.max(this.nextCollectionId, id + 1);
    return collection;
  }

  drop(collection: Collection): void {
    this.settle(collection);
    this.forget(collection);
    this.recorder.dropCollection(collection);
  }

  forget(collection: Collection): void {
    collection.dropped = true;
    this.collections.delete(collection.namespace);
    this.byId.delete(collection.id);
  }

  /** A collection that has the new name goes in the same step. */
  rename(collection: Collection, namespace: string): void {
    checkNamespace(namespace);
    this.settle(collection);
    const replaced = this.get(namespace);
    if (replaced !== undefined) {
      this.settle(replaced);
      this.forget(replaced);
    }
    const before = { namespace: collection.namespace, options: collection.options, replaced };
    this.restoreDescription(collection, namespace, collection.options);
    this.recorder.alterCollection(collection, before);
  }

  restoreDescription(collection: Collection, namespace: string, options: Doc): void {
    this.collections.delete(collection.namespace);
    collection.namespace = namespace;
    collection.setOptions(options);
    this.collections.set(namespace, collection);
  }
}

const ID_KEY = Doc.of({ _id: 1 });
const ID_INDEX: IndexSpec = {
  name: '_id_',
  key: ID_KEY,
  kind: 'ordinary',
  unique: true,
  prepareUnique: false,
  sparse: false,
  partialFilter: undefined,
  expireAfterSeconds: undefined,
  hidden: false,
  collation: undefined,
  document: Doc.of({ v: 2, key: ID_KEY, name: '_id_' }),
};

/** The index on `_id` has the collection's collation. */
function idIndex({ ordering, kind }: Collection): IndexSpec {
  const collation = ordering.specification;
  // Measurements may share an _id: this index is not shown, it only serves.
  if (kind.timeSeries !== undefined) return { ...ID_INDEX, unique: false, collation };
  const spec = kind.clustered === undefined ? ID_INDEX : clusteredSpec(kind.clustered);
  return collation === undefined ? spec : { ...spec, collation, document: spec.document.with('collation', collation) };
}

/** Manual: core/clustered-collections: the documents themselves are this index. */
function clusteredSpec(name: string): IndexSpec {
  const document = Doc.of({ v: 2, key: ID_KEY, name, unique: true, clustered: true });
  return { ...ID_INDEX, name, document };
}

/** Names that have been found in order: most commands name a collection that another one has named before. */
const accepted = new Set<string>();

/** Manual: reference/limits, "Naming Restrictions". */
export function checkNamespace(namespace: string): void {
  if (accepted.has(namespace)) return;
  const dot = namespace.indexOf('.');
  const name = namespace.slice(dot + 1);
  const database = namespace.slice(0, dot);
  const bad =
    name === '' ||
    name.startsWith('.') ||
    name.endsWith('.') ||
    name.includes('$') ||
    name.includes('\0') ||
    database === '';
  if (bad) throw new MongoError(ErrorCode.InvalidNamespace, `Invalid namespace specified '${namespace}'`);
  if (/[/\\. "$*<>:|?\0]/.test(database)) {
    throw new MongoError(ErrorCode.InvalidNamespace, `Invalid database name: '${database}'`);
  }
  if (Buffer.byteLength(database) > 63) {
    throw new MongoError(
      ErrorCode.InvalidNamespace,
      `db name must be at most 63 characters, found: ${database.length}`,
    );
  }
  if (Buffer.byteLength(namespace) > 255) {
    throw new MongoError(ErrorCode.InvalidNamespace, `Fully qualified namespace is too long. Namespace: ${namespace}`);
  }
  if (accepted.size >= 1000) accepted.clear();
  accepted.add(namespace);
}
