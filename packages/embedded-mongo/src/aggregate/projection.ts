import { Doc, isNumeric, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { compileExpression, isTrue } from '../expression/compile.ts';
import type { Environment, Evaluate, Scope } from '../expression/scope.ts';

/** A function of the value at a path: the operators that only `find` knows (`$slice`, `$elemMatch`, `$`). */
export type ValueTransform = (value: Value | undefined) => Value | undefined;

type Leaf =
  | { readonly kind: 'include' }
  | { readonly kind: 'exclude' }
  | { readonly kind: 'compute'; readonly evaluate: Evaluate }
  | { readonly kind: 'transform'; readonly apply: ValueTransform };
type Tree = Map<string, Leaf | Tree>;

/** Lets `find` add its own operators; returns `undefined` for what it does not know. */
export type SpecialLeaf = (
  path: string,
  value: Value,
) => { leaf: ValueTransform; including: boolean | undefined } | undefined;

/**
 * A projection (manual: tutorial/project-fields-from-query-results and reference/operator/aggregation/project): either
 * names what to keep, and may compute fields, or names what to drop.
 */
export function compileProjection(
  specification: Doc,
  scope: Scope,
  name: string,
  special: SpecialLeaf = () => undefined,
): (doc: Doc) => Doc {
  const tree: Tree = new Map();
  const state: Parsing = { scope, name, special, including: undefined, id: undefined, computes: false };
  for (const [path, value] of specification.entries()) addPath(tree, path, value, state, true);
  const including =
    state.including ??
    (state.computes ? true : state.id !== false && specification.has('_id') && specification.size === 1);
  if (including) {
    const keepId = state.id !== false;
    if (keepId && !tree.has('_id')) tree.set('_id', { kind: 'include' });
    if (!keepId) tree.delete('_id');
    return (doc) => include(doc, tree, scope.environment(doc));
  }
  if (state.id === false) tree.set('_id', { kind: 'exclude' });
  return (doc) => exclude(doc, tree);
}

interface Parsing {
  readonly scope: Scope;
  readonly name: string;
  readonly special: SpecialLeaf;
  including: boolean | undefined;
  id: boolean | undefined;
  computes: boolean;
}

function addPath(tree: Tree, path: string, value: Value, state: Parsing, top: boolean, full = path): void {
  const parts = path.includes('.') ? path.split('.') : [path];
  for (const part of parts) {
    if (part === '') throw new MongoError(15998, 'FieldPath field names may not be empty strings.');
    if (part.startsWith('$')) {
      throw new MongoError(
        16410,
        `FieldPath field names may not start with '$'. Consider using $getField or $setField.`,
      );
    }
  }
  let node = tree;
  for (const part of parts.slice(0, -1)) {
    const next = node.get(part) ?? new Map();
    if (!(next instanceof Map)) throw collision(full);
    node.set(part, next);
    node = next;
  }
  const last = parts.at(-1) as string;
  const isPlainDocument = value instanceof Doc && value.keys[0]?.startsWith('$') !== true;
  if (isPlainDocument) {
    if (value.size === 0)
      throw new MongoError(51270, `An empty sub-projection is not a valid value. Found empty object at path`);
    const subtree = node.get(last) ?? new Map();
    if (!(subtree instanceof Map)) throw collision(full);
    node.set(last, subtree);
    for (const [name, nested] of value.entries()) addPath(subtree, name, nested, state, false, `${full}.${name}`);
    return;
  }
  if (node.has(last)) throw collision(full);
  node.set(last, leafFor(full, value, state, top));
}

function collision(path: string): MongoError {
  return new MongoError(31249, `Path collision at ${path}`);
}

function leafFor(path: string, value: Value, state: Parsing, top: boolean): Leaf {
  const special = state.special(path, value);
  if (special !== undefined) {
    if (special.including !== undefined) setMode(state, special.including, path);
    return { kind: 'transform', apply: special.leaf };
  }
  if (typeof value === 'boolean' || isNumeric(value)) {
    const keep = isTrue(value);
    if (path === '_id' && top) {
      state.id = keep;
      return { kind: keep ? 'include' : 'exclude' };
    }
    setMode(state, keep, path);
    return { kind: keep ? 'include' : 'exclude' };
  }
  if (state.including === false) throw mixed(true, path);
  state.computes = true;
  return { kind: 'compute', evaluate: compileExpression(value, state.scope) };
}

function setMode(state: Parsing, including: boolean, path: string): void {
  if ((state.including !== undefined && state.including !== including) || (state.computes && !including)) {
    throw mixed(including, path);
  }
  state.including = including;
}

function mixed(including: boolean, path: string): MongoError {
  return including
    ? new MongoError(31253, `Cannot do inclusion on field ${path} in exclusion projection`)
    : new MongoError(31254, `Cannot do exclusion on field ${path} in inclusion projection`);
}

/** Kept fields stay in the document's order; computed ones follow in the specification's. */
function include(doc: Doc, tree: Tree, env: Environment): Doc {
  const keys: string[] = [];
  const values: Value[] = [];
  const put = (key: string, value: Value | undefined): void => {
    if (value === undefined) return;
    keys.push(key);
    values.push(value);
  };
  for (let i = 0; i < doc.size; i++) {
    const key = doc.keys[i] as string;
    const node = tree.get(key);
    if (node === undefined) continue;
    const value = doc.values[i] as Value;
    if (node instanceof Map) put(key, includeWithin(value, node, env));
    else if (node.kind === 'include') put(key, value);
    else if (node.kind === 'transform') put(key, node.apply(value));
  }
  for (const [key, node] of tree) {
    if (node instanceof Map) {
      if (!doc.has(key) && computesWithin(node)) put(key, include(Doc.EMPTY, node, env));
    } else if (node.kind === 'compute') {
      put(key, node.evaluate(env));
    }
  }
  return new Doc(keys, values);
}

function includeWithin(value: Value, tree: Tree, env: Environment): Value | undefined {
  if (value instanceof Doc) return include(value, tree, env);
  if (Array.isArray(value)) {
    return value.map((element) => includeWithin(element, tree, env)).filter((element) => element !== undefined);
  }
  return computesWithin(tree) ? include(Doc.EMPTY, tree, env) : undefined;
}

function computesWithin(tree: Tree): boolean {
  for (const node of tree.values())
    if (node instanceof Map ? computesWithin(node) : node.kind === 'compute') return true;
  return false;
}

function exclude(doc: Doc, tree: Tree): Doc {
  const keys: string[] = [];
  const values: Value[] = [];
  for (let i = 0; i < doc.size; i++) {
    const key = doc.keys[i] as string;
    const node = tree.get(key);
    let value: Value | undefined = doc.values[i];
    if (node instanceof Map) value = excludeWithin(value as Value, node);
    else if (node?.kind === 'exclude') continue;
    else if (node?.kind === 'transform') value = node.apply(value);
    if (value === undefined) continue;
    keys.push(key);
    values.push(value);
  }
  return keys.length === doc.size ? doc.withValues(values) : new Doc(keys, values);
}

function excludeWithin(value: Value, tree: Tree): Value {
  if (value instanceof Doc) return exclude(value, tree);
  return Array.isArray(value) ? value.map((element) => excludeWithin(element, tree)) : value;
}
