import BTreeModule from 'sorted-btree';
import type { Doc } from '../bson/values.ts';
import { parseCollation } from '../collation/collation.ts';
import { BINARY, type Ordering } from '../collation/ordering.ts';
import { topScope } from '../expression/scope.ts';
import { Matcher } from '../query/match.ts';
import { checkGeometry } from './geo.ts';
import { type GeneratedKeys, generateKeys, type KeyField, keyFields } from './key-generator.ts';
import { isDeclaredOnly } from './kinds.ts';
import type { IndexSpec } from './spec.ts';
import { wildcardKeys } from './wildcard.ts';
import { type WildcardScope, wildcardScope } from './wildcard-spec.ts';

// The package is CommonJS: Node hands over its exports object, bundlers and Bun its default.
const BTree = ('default' in BTreeModule ? BTreeModule.default : BTreeModule) as typeof BTreeModule;
type BTree<K, V> = BTreeModule<K, V>;

export function newTree<K extends string | number, V>(): BTree<K, V> {
  return new BTree<K, V>(undefined, (a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

export type KeyTree = BTree<string, number>;

/** Appended to a key that many records may share: the record id, so that entries differ and keep their order. */
function recordSuffix(recordId: number): string {
  return String.fromCharCode(Math.floor(recordId / 0x100000000), (recordId >>> 16) & 0xffff, recordId & 0xffff);
}

const SUFFIX_UNITS = 3;

/** One index of a collection: a B-tree from encoded keys to record ids. */
export class Index {
  readonly fields: readonly KeyField[];
  readonly tree: KeyTree;
  spec: IndexSpec;
  /** Per field, the depths of its path at which some document has had an array. Never taken back, as in MongoDB. */
  readonly arrays: number[];
  /** Per field, whether some document has had a value that its key does not tell. Never taken back either. */
  readonly unreadable: boolean[];
  readonly partial: Matcher | undefined;
  /** The collation of its keys: only queries with the same one find strings here. */
  readonly ordering: Ordering;
  /** Of a wildcard index: which paths it holds, and at which of them some document has had an array. */
  readonly wildcard: WildcardScope | undefined;
  readonly arrayPaths: ReadonlySet<string>;
  /** It is listed and takes part in nothing else: text and geo indexes. */
  readonly declaredOnly: boolean;
  /** How often a query was answered with it (manual: reference/operator/aggregation/indexStats). */
  readonly usage = { ops: 0, since: Date.now() };
  private readonly notedArrays = new Set<string>();
  /** The first components of all paths: a change of any other field leaves the index alone. */
  private readonly roots: readonly string[];
  private readonly partialRoots: readonly string[] | undefined;

  constructor(spec: IndexSpec) {
    this.spec = spec;
    this.fields = keyFields(spec.key);
    this.tree = newTree<string, number>();
    this.arrays = this.fields.map(() => 0);
    this.ordering = parseCollation(spec.collation) ?? BINARY;
    this.unreadable = this.fields.map(({ hashed, geo }) => hashed || geo || this.ordering !== BINARY);
    const scope = topScope(undefined, undefined, this.ordering);
    this.partial = spec.partialFilter === undefined ? undefined : new Matcher(spec.partialFilter, { scope });
    this.declaredOnly = isDeclaredOnly(spec.kind);
    this.wildcard =
      spec.kind === 'wildcard' ? wildcardScope(spec.key, spec.document.get('wildcardProjection')) : undefined;
    this.arrayPaths = this.notedArrays;
    this.roots = this.fields.map((field) => field.parts[0] as string);
    this.partialRoots = this.partial?.roots();
  }

  /** The index as it is now, whatever becomes of this one. */
  copy(): Index {
    const tree = this.tree.clone();
    const notedArrays = new Set(this.notedArrays);
    return Object.assign(Object.create(Index.prototype) as Index, this, {
      tree,
      arrays: [...this.arrays],
      unreadable: [...this.unreadable],
      notedArrays,
      arrayPaths: notedArrays,
    });
  }

  get isMultikey(): boolean {
    return this.wildcard !== undefined || this.arrays.some((depths) => depths !== 0);
  }

  private generate(doc: Doc): GeneratedKeys | undefined {
    if (this.partial !== undefined && !this.partial.matches(doc)) return undefined;
    if (this.declaredOnly) {
      checkGeometry(doc, this.fields, this.spec.kind, this.spec.document);
      return undefined;
    }
    if (this.wildcard !== undefined) {
      return wildcardKeys(doc, this.wildcard, this.fields, this.ordering, this.notedArrays);
    }
    const generated = generateKeys(doc, this.fields, this.ordering);
    return this.spec.sparse && !generated.anyField ? undefined : generated;
  }

  /** The keys the document has here; none if the index leaves it out. */
  keysOf(doc: Doc): GeneratedKeys | undefined {
    return this.generate(doc);
  }

  /** False when both documents certainly have the same keys, because they share the values those come from. */
  mayDiffer(before: Doc, after: Doc): boolean {
    if (this.wildcard !== undefined) return true;
    for (const root of this.roots) if (before.get(root) !== after.get(root)) return true;
    if (this.partial === undefined) return false;
    if (this.partialRoots === undefined) return true;
    for (const root of this.partialRoots) if (before.get(root) !== after.get(root)) return true;
    return false;
  }

  /** The record that already holds one of the keys of a unique index, apart from the record itself. */
  conflict(generated: GeneratedKeys, recordId: number): { key: string; holder: number } | undefined {
    if (!this.refusesDuplicates) return undefined;
    for (const key of generated.keys) {
      const holder = this.holderOf(key, recordId);
      if (holder !== undefined) return { key, holder };
    }
    return undefined;
  }

  get refusesDuplicates(): boolean {
    return this.spec.unique || this.spec.prepareUnique;
  }

  /** A record with the key, other than the one that is about to have it. */
  holderOf(key: string, recordId: number): number | undefined {
    if (this.spec.unique) {
      const holder = this.tree.get(key);
      return holder === recordId ? undefined : holder;
    }
    for (const [entry, holder] of this.tree.entries(key)) {
      if (this.keyOf(entry) !== key) return undefined;
      if (holder !== recordId) return holder;
    }
    return undefined;
  }

  /** The key of an entry of the tree, without what tells the records apart that share it. */
  keyOf(entry: string): string {
    return this.spec.unique ? entry : entry.slice(0, -SUFFIX_UNITS);
  }

  add(generated: GeneratedKeys, recordId: number): void {
    const suffix = this.spec.unique ? '' : recordSuffix(recordId);
    for (const key of generated.keys) this.tree.set(key + suffix, recordId);
    for (let i = 0; i < this.arrays.length; i++) {
      this.arrays[i] = (this.arrays[i] as number) | (generated.arrays[i] as number);
      if (generated.unreadable[i] === true) this.unreadable[i] = true;
    }
  }

  remove(generated: GeneratedKeys, recordId: number): void {
    const suffix = this.spec.unique ? '' : recordSuffix(recordId);
    for (const key of generated.keys) this.tree.delete(key + suffix);
  }
}
