import { Doc, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { compileExpression } from '../expression/compile.ts';
import type { Environment, Evaluate, Scope } from '../expression/scope.ts';

/** Computed fields by path component. */
type FieldTree = Map<string, Evaluate | FieldTree>;

/**
 * `$addFields` and `$set`: dotted paths and nested documents merge into what is there; an array on the way gets the
 * fields in each of its elements (manual: reference/operator/aggregation/addFields).
 */
export function compileAddFields(specification: Value, scope: Scope, stage: string): (doc: Doc) => Doc {
  if (!(specification instanceof Doc)) {
    throw new MongoError(40272, `${stage} specification stage must be an object, got ${typeof specification}`);
  }
  if (specification.size === 0) {
    throw new MongoError(40177, `Invalid ${stage} :: caused by :: specification must have at least one field`);
  }
  const tree: FieldTree = new Map();
  for (const [path, value] of specification.entries()) addPath(tree, path, value, scope, stage);
  return (doc) => applyTree(doc, tree, scope.environment(doc)) as Doc;
}

function addPath(tree: FieldTree, path: string, value: Value, scope: Scope, stage: string): void {
  let node = tree;
  let from = 0;
  for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', from)) {
    const part = path.slice(from, dot);
    checkName(part, path, stage);
    const next = node.get(part) ?? new Map();
    if (!(next instanceof Map)) throw collision(stage, path);
    node.set(part, next);
    node = next;
    from = dot + 1;
  }
  const last = from === 0 ? path : path.slice(from);
  checkName(last, path, stage);
  const existing = node.get(last);
  if (value instanceof Doc && value.size > 0 && value.keys[0]?.startsWith('$') !== true) {
    const subtree = existing ?? new Map();
    if (!(subtree instanceof Map)) throw collision(stage, path);
    node.set(last, subtree);
    for (const [name, nested] of value.entries()) addPath(subtree, name, nested, scope, stage);
    return;
  }
  if (existing !== undefined) throw collision(stage, path);
  node.set(last, compileExpression(value, scope));
}

function checkName(part: string, path: string, stage: string): void {
  if (part === '') {
    throw new MongoError(15998, `Invalid ${stage} :: caused by :: FieldPath field names may not be empty strings.`);
  }
  if (part.startsWith('$')) {
    throw new MongoError(
      16410,
      `Invalid ${stage} :: caused by :: FieldPath field names may not start with '$'. Consider using $getField or $setField. (at ${path})`,
    );
  }
}

function collision(stage: string, path: string): MongoError {
  return new MongoError(
    40176,
    `Invalid ${stage} :: caused by :: specification contains two conflicting paths. Cannot specify both '${path}' and a part of it`,
  );
}

function applyTree(value: Value | undefined, tree: FieldTree, env: Environment): Value {
  if (Array.isArray(value)) return value.map((element) => applyTree(element, tree, env));
  const doc = value instanceof Doc ? value : Doc.EMPTY;
  let { keys } = doc;
  const values = doc.values.slice();
  let isShorter = false;
  // Documents with the same fields share the list of their names.
  const ownKeys = (): void => {
    if (keys === doc.keys) keys = keys.slice();
  };
  for (const [name, child] of tree) {
    const at = keys === doc.keys ? doc.position(name) : keys.indexOf(name);
    const before = at < 0 ? undefined : values[at];
    const after = child instanceof Map ? applyTree(before, child, env) : child(env);
    if (after === undefined) {
      if (at >= 0) {
        isShorter = true;
        ownKeys();
        keys.splice(at, 1);
        values.splice(at, 1);
      }
    } else if (at >= 0) {
      values[at] = after;
    } else {
      ownKeys();
      keys.push(name);
      values.push(after);
    }
  }
  if (keys === doc.keys) return doc.withValues(values);
  return isShorter ? new Doc(keys, values) : doc.grown(keys, values);
}
