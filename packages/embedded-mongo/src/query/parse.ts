import { splitPath, visitPath } from '../bson/path.ts';
import { Doc, Regex, type Value } from '../bson/values.ts';
import { badValue, ErrorCode, MongoError } from '../errors.ts';
import type { Scope } from '../expression/scope.ts';
import { compileSchema } from '../schema/schema.ts';
import { expressionNode, sampleRateNode } from './expr.ts';
import { SELF, selfDoc } from './leaf.ts';
import type { MatchDetails, MatchNode } from './node.ts';
import { parseOperator, regexNode } from './operators.ts';

export interface ParseContext {
  /** The variables that `$expr` may use: `let` of the command or of a `$lookup`. */
  readonly scope?: Scope;
  /** The conditions of an `$elemMatch` on values: an element that is an array is not looked into once more. */
  readonly onElement?: boolean;
}

/** Parses a filter document (manual: reference/operator/query). Unknown operators are errors, never ignored. */
export function parseFilter(filter: Doc, context: ParseContext): MatchNode {
  const children: MatchNode[] = [];
  for (let i = 0; i < filter.size; i++) {
    const key = filter.keys[i] as string;
    const value = filter.values[i] as Value;
    if (key.startsWith('$')) {
      const node = parseTopLevel(key, value, context);
      if (node !== undefined) children.push(node);
    } else {
      children.push(...parseField(key, value, context));
    }
  }
  return allOf(children);
}

export function allOf(children: MatchNode[]): MatchNode {
  if (children.length === 1) return children[0] as MatchNode;
  return {
    kind: 'and',
    children,
    matches(doc, details) {
      for (const child of children) if (!child.matches(doc, details)) return false;
      return true;
    },
  };
}

function parseTopLevel(key: string, value: Value, context: ParseContext): MatchNode | undefined {
  switch (key) {
    case '$and':
      return allOf(parseList(key, value, context));
    case '$or': {
      const children = parseList(key, value, context);
      if (children.length === 1) return children[0];
      return { kind: 'or', children, matches: (doc, details) => children.some((child) => child.matches(doc, details)) };
    }
    case '$nor': {
      const children = parseList(key, value, context);
      return { kind: 'nor', children, matches: (doc) => !children.some((child) => child.matches(doc)) };
    }
    case '$expr':
      return expressionNode(value, context.scope);
    case '$sampleRate':
      return sampleRateNode(value);
    case '$comment':
      return undefined;
    case '$alwaysTrue':
      return allOf([]);
    case '$alwaysFalse':
      return { kind: 'opaque', matches: () => false };
    case '$jsonSchema': {
      const schema = compileSchema(value);
      return { kind: 'opaque', matches: (doc) => schema.failures(doc, false).length === 0 };
    }
    case '$where':
    case '$text':
      throw new MongoError(ErrorCode.NotImplemented, `${key} is not supported by this server`);
    default:
      throw badValue(
        `unknown top level operator: ${key}. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.`,
      );
  }
}

function parseList(key: string, value: Value, context: ParseContext): MatchNode[] {
  if (!Array.isArray(value)) throw badValue(`${key} must be an array`);
  if (value.length === 0) throw badValue('$and/$or/$nor must be a nonempty array');
  return value.map((entry) => {
    if (!(entry instanceof Doc)) throw badValue('$or/$and/$nor entries need to be full objects');
    return parseFilter(entry, context);
  });
}

/** Whether the value of a field is a document of operators rather than a value to compare with. */
function isOperatorDocument(value: Value): value is Doc {
  if (!(value instanceof Doc) || value.size === 0) return false;
  const first = value.keys[0] as string;
  return first.startsWith('$') && first !== '$ref' && first !== '$id' && first !== '$db';
}

function parseField(path: string, value: Value, context: ParseContext): MatchNode[] {
  if (value instanceof Regex) return [regexNode(path, value)];
  if (!isOperatorDocument(value)) return [parseOperator(path, '$eq', value, true, context.scope?.ordering)];
  return parseOperators(path, value, context);
}

export function parseOperators(path: string, operators: Doc, context: ParseContext): MatchNode[] {
  const spread = context.onElement !== true;
  const ordering = context.scope?.ordering;
  const nodes: MatchNode[] = [];
  for (let i = 0; i < operators.size; i++) {
    const name = operators.keys[i] as string;
    const operand = operators.values[i] as Value;
    switch (name) {
      case '$not':
        nodes.push(negate(allOf(parseNot(path, operand, context))));
        break;
      case '$elemMatch':
        nodes.push(elemMatch(path, operand, context));
        break;
      case '$all':
        nodes.push(parseAll(path, operand, context));
        break;
      case '$options':
        if (!operators.has('$regex')) throw badValue('$options needs a $regex');
        break;
      case '$regex': {
        const options = operators.get('$options');
        nodes.push(regexNode(path, regexOf(operand, options), spread));
        break;
      }
      case '$ne':
        if (operand instanceof Regex) throw badValue("Can't have regex as arg to $ne.");
        nodes.push(negate(parseOperator(path, '$eq', operand, spread, ordering)));
        break;
      case '$nin':
        nodes.push(negate(parseOperator(path, '$in', operand, spread, ordering)));
        break;
      case '$near':
      case '$nearSphere':
      case '$geoNear':
      case '$geoWithin':
      case '$within':
      case '$geoIntersects':
        throw new MongoError(ErrorCode.NotImplemented, `${name} is not supported by this server`);
      default:
        if (!name.startsWith('$')) throw badValue(`unknown operator: ${name}`);
        nodes.push(parseOperator(path, name, operand, spread, ordering));
    }
  }
  return nodes;
}

function regexOf(operand: Value, options: Value | undefined): Regex {
  const flags = options === undefined ? undefined : options;
  if (flags !== undefined && typeof flags !== 'string') throw badValue('$options has to be a string');
  if (operand instanceof Regex) {
    if (flags !== undefined && operand.options !== '') {
      throw new MongoError(51075, 'options set in both $regex and $options');
    }
    return flags === undefined ? operand : new Regex(operand.pattern, flags);
  }
  if (typeof operand !== 'string') throw badValue('$regex has to be a string');
  return new Regex(operand, flags ?? '');
}

function negate(child: MatchNode): MatchNode {
  return { kind: 'not', child, matches: (doc) => !child.matches(doc) };
}

function parseNot(path: string, operand: Value, context: ParseContext): MatchNode[] {
  if (operand instanceof Regex) return [regexNode(path, operand, context.onElement !== true)];
  if (!(operand instanceof Doc)) throw badValue('$not needs a regex or a document');
  if (operand.size === 0) throw badValue('$not cannot be empty');
  return parseOperators(path, operand, context);
}

/** `$elemMatch` on values when its document is one of operators, on embedded documents otherwise. */
function elemMatch(path: string, operand: Value, context: ParseContext): MatchNode {
  if (!(operand instanceof Doc)) throw badValue('$elemMatch needs an Object');
  const first = operand.keys[0];
  const onValues =
    isOperatorDocument(operand) && first !== '$and' && first !== '$or' && first !== '$nor' && first !== '$expr';
  const child = onValues
    ? allOf(parseOperators(SELF, operand, { ...context, onElement: true }))
    : parseFilter(operand, { ...context, onElement: false });
  const parts = splitPath(path);
  const elementMatches = (element: Value): boolean => {
    if (onValues) return child.matches(selfDoc(element));
    if (element instanceof Doc) return child.matches(element);
    return Array.isArray(element) && child.matches(arrayAsDoc(element));
  };
  return {
    kind: 'elemMatch',
    path,
    child,
    onValues,
    matches: (doc: Doc, details?: MatchDetails) =>
      visitPath(doc, parts, 0, (value, _explicit, outer) => {
        if (!Array.isArray(value)) return false;
        const at = value.findIndex(elementMatches);
        if (at >= 0 && details !== undefined) details.position = outer < 0 ? at : outer;
        return at >= 0;
      }),
  };
}

function arrayAsDoc(array: Value[]): Doc {
  return new Doc(
    array.map((_, i) => String(i)),
    array,
  );
}

function parseAll(path: string, operand: Value, context: ParseContext): MatchNode {
  if (!Array.isArray(operand)) throw badValue('$all needs an array');
  if (operand.length === 0) return { kind: 'opaque', matches: () => false };
  const children = operand.map((entry) => {
    if (entry instanceof Doc && entry.keys[0] === '$elemMatch') {
      return elemMatch(path, entry.values[0] as Value, context);
    }
    if (isOperatorDocument(entry)) throw badValue('no $ expressions in $all');
    return entry instanceof Regex
      ? regexNode(path, entry)
      : parseOperator(path, '$eq', entry, true, context.scope?.ordering);
  });
  return allOf(children);
}
