import BTreeModule from 'sorted-btree';
import type { Doc } from '../bson/values.ts';
import { parseCollation } from '../collation/collation.ts';
import { BINARY, type Ordering } from '../collation/ordering.ts';
import { topScope } from '../expression/scope.ts';
import { Matcher } from '../query/match.ts';
import { type GeneratedKeys, generateKeys, type KeyField, keyFields } from './key-generator.ts';

// The package is CommonJS: Node hands over its exports object, bundlers and Bun its default.
const BTree = ('default' in BTreeModule ? BTreeModule.default : BTreeModule) as typeof BTreeModule;
type BTree<K, V> = BTreeModule<K, V>;

export function newTree<K extends string | number, V>(): BTree<K, V> {
  return new BTree<K, V>(undefined, (a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

export type KeyTree = BTree<string, number>;

/** An index as `createIndexes` describes it and `listIndexes` shows it. */
export interface IndexSpec {
  readonly name: string;
  readonly key: Doc;
  readonly unique: boolean;
  readonly sparse: boolean;
  readonly partialFilter: Doc | undefined;
  readonly expireAfterSeconds: number | undefined;
  readonly hidden: boolean;
  /** In full; nothing for binary comparison. */
  readonly collation: Doc | undefined;
  /** The whole specification, with what this server only keeps. */
  readonly document: Doc;
}

/** Appended to a key that many records may share: the record id, so that entries differ and keep their order. */
function recordSuffix(recordId: number): string {
  return String.fromCharCode(Math.floor(recordId / 0x100000000), (recordId >>> 16) & 0xffff, recordId & 0xffff);
}

/** One index of a collection: a B-tree from encoded keys to record ids. */
export class Index {
  readonly fields: readonly KeyField[];
  readonly tree: KeyTree;
  spec: IndexSpec;
  /** Per field, the depths of its path at which some document has had an array. Never taken back, as in MongoDB. */
  readonly arrays: number[];
  readonly partial: Matcher | undefined;
  /** The collation of its keys: only queries with the same one find strings here. */
  readonly ordering: Ordering;
  /** The first components of all paths: a change of any other field leaves the index alone. */
  private readonly roots: readonly string[];
  private readonly partialRoots: readonly string[] | undefined;

  constructor(spec: IndexSpec) {
    this.spec = spec;
    this.fields = keyFields(spec.key);
    this.tree = newTree<string, number>();
    this.arrays = this.fields.map(() => 0);
    this.ordering = parseCollation(spec.collation) ?? BINARY;
    const scope = topScope(undefined, undefined, this.ordering);
    this.partial = spec.partialFilter === undefined ? undefined : new Matcher(spec.partialFilter, { scope });
    this.roots = this.fields.map((field) => field.parts[0] as string);
    this.partialRoots = this.partial?.roots();
  }

  /** The index as it is now, whatever becomes of this one. */
  copy(): Index {
    const tree = this.tree.clone();
    return Object.assign(Object.create(Index.prototype) as Index, this, { tree, arrays: [...this.arrays] });
  }

  get isMultikey(): boolean {
    return this.arrays.some((depths) => depths !== 0);
  }

  private generate(doc: Doc): GeneratedKeys | undefined {
    if (this.partial !== undefined && !this.partial.matches(doc)) return undefined;
    const generated = generateKeys(doc, this.fields, this.ordering);
    return this.spec.sparse && !generated.anyField ? undefined : generated;
  }

  /** The keys the document has here; none if the index leaves it out. */
  keysOf(doc: Doc): GeneratedKeys | undefined {
    return this.generate(doc);
  }

  /** False when both documents certainly have the same keys, because they share the values those come from. */
  mayDiffer(before: Doc, after: Doc): boolean {
    for (const root of this.roots) if (before.get(root) !== after.get(root)) return true;
    if (this.partial === undefined) return false;
    if (this.partialRoots === undefined) return true;
    for (const root of this.partialRoots) if (before.get(root) !== after.get(root)) return true;
    return false;
  }

  /** The record that already holds one of the keys of a unique index, apart from the record itself. */
  conflict(generated: GeneratedKeys, recordId: number): { key: string; holder: number } | undefined {
    if (!this.spec.unique) return undefined;
    for (const key of generated.keys) {
      const holder = this.tree.get(key);
      if (holder !== undefined && holder !== recordId) return { key, holder };
    }
    return undefined;
  }

  add(generated: GeneratedKeys, recordId: number): void {
    const suffix = this.spec.unique ? '' : recordSuffix(recordId);
    for (const key of generated.keys) this.tree.set(key + suffix, recordId);
    for (let i = 0; i < this.arrays.length; i++) {
      this.arrays[i] = (this.arrays[i] as number) | (generated.arrays[i] as number);
    }
  }

  remove(generated: GeneratedKeys, recordId: number): void {
    const suffix = this.spec.unique ? '' : recordSuffix(recordId);
    for (const key of generated.keys) this.tree.delete(key + suffix);
  }
}
