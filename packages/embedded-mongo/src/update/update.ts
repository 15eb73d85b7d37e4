import { compileDocTransform } from '../aggregate/transforms.ts';
import { equals } from '../bson/compare.ts';
import { identical } from '../bson/identical.ts';
import { splitPath } from '../bson/path.ts';
import { render } from '../bson/render.ts';
import { Doc, Timestamp, type Value } from '../bson/values.ts';
import { ErrorCode, failedToParse, MongoError } from '../errors.ts';
import type { Scope } from '../expression/scope.ts';
import type { Describe } from '../storage/recorder.ts';
import { arrayFilters, type ElementTests } from './array-filters.ts';
import { arrayUpdateOperators } from './array-operators.ts';
import { describing } from './describe.ts';
import { fieldOperators } from './operators.ts';
import { applyNode, UpdateNode } from './tree.ts';

/** What an update makes of a document. Unchanged documents are returned as they are. */
export interface Update {
  /** Whether it needs to know which array position the query matched. */
  readonly positional: boolean;
  /** It gives the whole document. */
  readonly replaces?: true;
  apply(doc: Doc, position: number, inserting: boolean): Doc;
  /** What it changed, where its operators say it better than a comparison of the documents. */
  readonly describe?: Describe;
}

const builders = { ...fieldOperators, ...arrayUpdateOperators };

/** Compiles the `u` of an update statement: operators, a replacement, or a pipeline. */
export function compileUpdate(update: Value | undefined, filters: Value | undefined, scope: Scope): Update {
  if (Array.isArray(update)) return pipelineUpdate(update, scope);
  if (!(update instanceof Doc)) throw failedToParse('Update argument must be either an object or an array');
  if (update.keys[0]?.startsWith('$') === true) return operatorUpdate(update, arrayFilters(filters, scope), scope);
  return { ...replacement(update), replaces: true };
}

export function isReplacement(update: Value | undefined): boolean {
  return update instanceof Doc && update.keys[0]?.startsWith('$') !== true;
}

/** The `_id` of a document never changes. */
function checkId(before: Doc, after: Doc): void {
  const old = before.get('_id');
  if (old === undefined || equals(old, after.get('_id'))) return;
  throw new MongoError(
    ErrorCode.ImmutableField,
    `Performing an update on the path '_id' would modify the immutable field '_id'`,
  );
}

function pipelineUpdate(stages: Value[], scope: Scope): Update {
  const transforms = stages.map((stage) => {
    const name = stage instanceof Doc ? (stage.keys[0] ?? '') : '';
    if (!UPDATE_STAGES.has(name)) {
      throw new MongoError(ErrorCode.InvalidOptions, `${name} is not allowed to be used within an update`);
    }
    return compileDocTransform(stage as Doc, scope);
  });
  return {
    positional: false,
    apply(doc) {
      let after = doc;
      for (const transform of transforms) after = transform(after);
      if (identical(after, doc)) return doc;
      const id = doc.get('_id');
      // A stage that drops `_id` does not change it.
      if (id !== undefined && !after.has('_id')) after = new Doc(['_id', ...after.keys], [id, ...after.values]);
      checkId(doc, after);
      return after;
    },
  };
}

const UPDATE_STAGES = new Set(['$set', '$addFields', '$unset', '$project', '$replaceRoot', '$replaceWith']);

function replacement(update: Doc): Update {
  for (const key of update.keys) {
    if (key.startsWith('$')) {
      throw new MongoError(
        ErrorCode.DollarPrefixedFieldName,
        `The dollar ($) prefixed field '${key}' in '${key}' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.`,
      );
    }
  }
  return {
    positional: false,
    apply(doc) {
      const id = doc.get('_id');
      const given = update.get('_id');
      if (id !== undefined && given !== undefined && !equals(id, given)) {
        throw new MongoError(
          ErrorCode.ImmutableField,
          `After applying the update, the (immutable) field '_id' was found to have been altered to _id: ${render(given)}`,
        );
      }
      const rest = withTimestamps(update.without('_id'));
      const kept = id ?? given;
      const after = kept === undefined ? rest : new Doc(['_id', ...rest.keys], [kept, ...rest.values]);
      return identical(doc, after) ? doc : after;
    },
  };
}

/** An empty timestamp at the top level is filled in by the server (manual: reference/bson-types, "Timestamps"). */
function withTimestamps(doc: Doc): Doc {
  const isEmpty = (value: Value): boolean => value instanceof Timestamp && value.seconds === 0 && value.increment === 0;
  if (!doc.values.some(isEmpty)) return doc;
  const now = new Timestamp(Math.floor(Date.now() / 1000), 1);
  return new Doc(
    doc.keys,
    doc.values.map((value) => (isEmpty(value) ? now : value)),
  );
}

function operatorUpdate(update: Doc, filters: ElementTests, scope: Scope): Update {
  const root = new UpdateNode();
  const renames: { from: string; to: string }[] = [];
  let positional = false;
  const used = new Set<string>();
  for (const [operator, changes] of update.entries()) {
    if (!operator.startsWith('$')) {
      throw failedToParse(
        `Unknown modifier: ${operator}. Expected a valid update modifier or pipeline-style update specified as an array`,
      );
    }
    if (!(changes instanceof Doc)) {
      if (Object.hasOwn(builders, operator) || operator === '$rename') {
        throw failedToParse(
          `Modifiers operate on fields but we found type ${Array.isArray(changes) ? 'array' : typeof changes} instead. For example: {$mod: {<field>: ...}} not {${operator}: ${render(changes)}}`,
        );
      }
      throw failedToParse(
        `Unknown modifier: ${operator}. Expected a valid update modifier or pipeline-style update specified as an array`,
      );
    }
    const build = Object.hasOwn(builders, operator) ? builders[operator] : undefined;
    if (build === undefined && operator !== '$rename') {
      throw failedToParse(
        `Unknown modifier: ${operator}. Expected a valid update modifier or pipeline-style update specified as an array`,
      );
    }
    for (const [path, operand] of changes.entries()) {
      const parts = checkedPath(path);
      for (const part of parts) {
        if (part === '$') positional = true;
        if (part.startsWith('$[') && part !== '$[]') used.add(checkIdentifier(part, path, filters));
      }
      if (build === undefined) renames.push(checkedRename(path, operand));
      else root.insert(path, parts, build(operand, path, scope));
    }
  }
  for (const { from, to } of renames) reserveRename(root, from, to);
  filters.checkAllUsed(used);
  return {
    positional,
    describe: describing(root, update),
    apply(doc, position, inserting) {
      const tree = renames.length === 0 ? root : withRenames(root, renames, doc);
      const after = applyNode(tree, doc, { position, filters: filters.tests, inserting }, '') as Doc;
      if (after !== doc) checkId(doc, after);
      return after;
    },
  };
}

function checkedPath(path: string): string[] {
  const parts = splitPath(path);
  if (parts.includes('')) {
    throw new MongoError(
      56,
      path === ''
        ? 'An empty update path is not valid.'
        : `The update path '${path}' contains an empty field name, which is not allowed.`,
    );
  }
  const bad = parts.find(
    (part) => part.startsWith('$') && part !== '$' && !/^\$\[[^\]]*\]$/.test(part) && !/^\$(ref|id|db)$/.test(part),
  );
  if (bad !== undefined) {
    throw new MongoError(
      ErrorCode.DollarPrefixedFieldName,
      `The dollar ($) prefixed field '${bad}' in '${path}' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.`,
    );
  }
  if (parts[0]?.startsWith('$') === true) {
    throw new MongoError(
      ErrorCode.BadValue,
      `Cannot have positional (i.e. '$') element in the first position in path '${path}'`,
    );
  }
  return parts;
}

function checkIdentifier(part: string, path: string, filters: ElementTests): string {
  const identifier = part.slice(2, -1);
  if (!filters.tests.has(identifier)) {
    throw new MongoError(ErrorCode.BadValue, `No array filter found for identifier '${identifier}' in path '${path}'`);
  }
  return identifier;
}

function checkedRename(from: string, operand: Value): { from: string; to: string } {
  if (typeof operand !== 'string') {
    throw new MongoError(
      ErrorCode.BadValue,
      `The 'to' field for $rename must be a string: ${from}: ${render(operand)}`,
    );
  }
  checkedPath(operand);
  if (from === operand) {
    throw new MongoError(
      ErrorCode.BadValue,
      `The source and target field for $rename must differ: ${from}: "${operand}"`,
    );
  }
  for (const path of [from, operand]) {
    if (path.includes('$')) {
      throw new MongoError(
        ErrorCode.BadValue,
        `The source or destination field for $rename may not be dynamic: ${path}`,
      );
    }
  }
  return { from, to: operand };
}

const PLACEHOLDER = { operator: '$rename', creates: false, apply: (existing: Value | undefined) => existing };

/** Takes both paths, so that any other change of them is a conflict. */
function reserveRename(root: UpdateNode, from: string, to: string): void {
  root.insert(from, splitPath(from), PLACEHOLDER);
  root.insert(to, splitPath(to), PLACEHOLDER);
}

/** A rename is an unset and a set, of whatever the document has at the old path. */
function withRenames(root: UpdateNode, renames: readonly { from: string; to: string }[], doc: Doc): UpdateNode {
  const tree = cloneWithoutRenames(root);
  for (const { from, to } of renames) {
    const value = fieldAt(doc, splitPath(from), from);
    if (value === undefined) continue;
    tree.insert(from, splitPath(from), { operator: '$rename', creates: false, apply: () => undefined });
    tree.insert(to, splitPath(to), { operator: '$rename', creates: true, apply: () => value });
  }
  return tree;
}

function cloneWithoutRenames(node: UpdateNode): UpdateNode {
  const clone = new UpdateNode();
  if (node.modification !== PLACEHOLDER) clone.modification = node.modification;
  for (const [name, child] of node.children) {
    const copied = cloneWithoutRenames(child);
    if (copied.modification !== undefined || copied.children.size > 0) clone.add(name, copied);
  }
  return clone;
}

function fieldAt(doc: Doc, parts: readonly string[], path: string): Value | undefined {
  let value: Value | undefined = doc;
  for (const part of parts) {
    if (Array.isArray(value)) {
      throw new MongoError(
        ErrorCode.BadValue,
        `The source field cannot be an array element, '${path}' in doc with _id: ${render(doc.get('_id') ?? null)} has an array field called '${part}'`,
      );
    }
    value = value instanceof Doc ? value.get(part) : undefined;
  }
  return value;
}
