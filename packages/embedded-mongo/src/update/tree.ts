import { arrayIndex } from '../bson/path.ts';
import { render } from '../bson/render.ts';
import { Doc, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';

/** What a modification knows about the document it is applied to. */
export interface UpdateContext {
  /** The array position that the query matched, for `$`; -1 when there is none. */
  readonly position: number;
  /** The conditions of `arrayFilters`, by identifier. */
  readonly filters: ReadonlyMap<string, (element: Value) => boolean>;
  /** True while an upsert builds its document: `$setOnInsert` applies. */
  readonly inserting: boolean;
}

/** The change of one field. `undefined` means that the field does not exist, before or after. */
export interface Modification {
  apply(existing: Value | undefined, context: UpdateContext): Value | undefined;
  /** Whether the field is created when it does not exist: `$unset` and `$pull` never do. */
  readonly creates: boolean;
  /** `$setOnInsert` */
  readonly onlyInserting?: boolean;
  readonly operator: string;
}

const NO_CHILDREN: ReadonlyMap<string, UpdateNode> = new Map();

/**
 * The modifications of an update, as a tree of path components. Fields are created in the order of their names,
 * numbers by value (manual: reference/operator/update, "Behavior").
 */
export class UpdateNode {
  private own: Map<string, UpdateNode> | undefined;
  modification: Modification | undefined;

  /** Two changes of one field, or of a field and one within it, conflict. */
  insert(path: string, parts: readonly string[], modification: Modification): void {
    let node: UpdateNode = this;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as string;
      if (node.modification !== undefined) throw conflict(path, parts.slice(0, i).join('.'));
      let child = node.children.get(part);
      if (child === undefined) {
        child = new UpdateNode();
        node.add(part, child);
      }
      node = child;
    }
    if (node.modification !== undefined || node.children.size > 0) throw conflict(path, path);
    node.modification = modification;
  }

  add(name: string, child: UpdateNode): void {
    this.own ??= new Map();
    this.own.set(name, child);
  }

  get children(): ReadonlyMap<string, UpdateNode> {
    return this.own ?? NO_CHILDREN;
  }

  sorted(): [string, UpdateNode][] {
    if (this.children.size === 1) return [...this.children];
    return [...this.children].sort(([a], [b]) => {
      const x = arrayIndex(a);
      const y = arrayIndex(b);
      if (x >= 0 && y >= 0) return x - y;
      return a < b ? -1 : 1;
    });
  }
}

function conflict(path: string, at: string): MongoError {
  return new MongoError(
    ErrorCode.ConflictingUpdateOperators,
    `Updating the path '${path}' would create a conflict at '${at}'`,
  );
}

/** Whether anything below would create a field where none is. */
function wouldCreate(node: UpdateNode, context: UpdateContext): boolean {
  if (node.modification !== undefined) return node.modification.creates && isActive(node.modification, context);
  for (const child of node.children.values()) if (wouldCreate(child, context)) return true;
  return false;
}

function isActive(modification: Modification, context: UpdateContext): boolean {
  return modification.onlyInserting !== true || context.inserting;
}

/** Applies a tree; what it does not change is shared with the document before. */
export function applyNode(
  node: UpdateNode,
  value: Value | undefined,
  context: UpdateContext,
  path: string,
): Value | undefined {
  const { modification } = node;
  if (modification !== undefined) {
    if (!isActive(modification, context)) return value;
    if (value === undefined && !modification.creates) return undefined;
    return modification.apply(value, context);
  }
  if (value instanceof Doc) return applyToDoc(node, value, context, path);
  if (Array.isArray(value)) return applyToArray(node, value, context, path);
  if (!wouldCreate(node, context)) return value;
  const first = node.sorted()[0]?.[0] ?? '';
  if (value !== undefined) {
    const field = path.slice(path.lastIndexOf('.') + 1);
    if (first.startsWith('$')) {
      throw new MongoError(
        ErrorCode.BadValue,
        `Cannot apply array updates to non-array element ${field}: ${render(value)}`,
      );
    }
    throw new MongoError(
      ErrorCode.PathNotViable,
      `Cannot create field '${first}' in element {${field}: ${render(value)}}`,
    );
  }
  if (first.startsWith('$')) {
    throw new MongoError(
      ErrorCode.BadValue,
      `The path '${path}' must exist in the document in order to apply array updates.`,
    );
  }
  return applyToDoc(node, Doc.EMPTY, context, path);
}

function applyToDoc(node: UpdateNode, doc: Doc, context: UpdateContext, path: string): Doc {
  let keys = doc.keys;
  let values = doc.values;
  let isShorter = false;
  for (const [name, child] of node.sorted()) {
    const childPath = path === '' ? name : `${path}.${name}`;
    if (name.startsWith('$')) {
      throw new MongoError(
        ErrorCode.BadValue,
        `Cannot apply array updates to non-array element ${path.slice(path.lastIndexOf('.') + 1)}: ${render(doc)}`,
      );
    }
    const at = keys === doc.keys ? doc.position(name) : keys.indexOf(name);
    const before = at < 0 ? undefined : values[at];
    const after = applyNode(child, before, context, childPath);
    if (after === before) continue;
    if (values === doc.values) values = values.slice();
    // Documents with the same fields share the list of their names.
    if ((after === undefined || at < 0) && keys === doc.keys) keys = keys.slice();
    if (after === undefined) {
      isShorter = true;
      keys.splice(at, 1);
      values.splice(at, 1);
    } else if (at < 0) {
      keys.push(name);
      values.push(after);
    } else {
      values[at] = after;
    }
  }
  if (values === doc.values) return doc;
  if (keys === doc.keys) return doc.withValues(values);
  return isShorter ? new Doc(keys, values) : doc.grown(keys, values);
}

/** MongoDB refuses to fill an array with more nulls than this. */
const MAX_PADDING = 1_500_000;

function applyToArray(node: UpdateNode, array: Value[], context: UpdateContext, path: string): Value[] {
  let elements = array;
  const change = (at: number, after: Value | undefined): void => {
    if (at < elements.length && after === elements[at]) return;
    if (after === undefined && at >= elements.length) return;
    if (elements === array) elements = array.slice();
    while (elements.length < at) elements.push(null);
    // An unset element leaves a hole, so that the others keep their positions.
    elements[at] = after ?? null;
  };
  for (const [name, child] of node.sorted()) {
    const childPath = `${path}.${name}`;
    for (const at of positionsOf(name, child, elements, context, path)) {
      change(at, applyNode(child, elements[at], context, childPath));
    }
  }
  return elements;
}

function positionsOf(
  name: string,
  child: UpdateNode,
  array: Value[],
  context: UpdateContext,
  path: string,
): Iterable<number> {
  if (name === '$[]') return array.keys();
  if (name.startsWith('$[')) {
    const matches = context.filters.get(name.slice(2, -1));
    return [...array.keys()].filter((at) => matches?.(array[at] as Value) === true);
  }
  if (name === '$') {
    if (context.position < 0) {
      throw new MongoError(ErrorCode.BadValue, 'The positional operator did not find the match needed from the query.');
    }
    return [context.position];
  }
  const at = arrayIndex(name);
  if (at < 0) {
    if (!wouldCreate(child, context)) return [];
    const field = path.slice(path.lastIndexOf('.') + 1);
    throw new MongoError(
      ErrorCode.PathNotViable,
      `Cannot create field '${name}' in element {${field}: ${render(array)}}`,
    );
  }
  if (at > array.length + MAX_PADDING) {
    throw new MongoError(ErrorCode.CannotCreateIndex, `can't backfill more than ${MAX_PADDING} elements`);
  }
  return [at];
}
