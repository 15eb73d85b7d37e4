import { Doc, isNumeric, Singleton, toDouble, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { accumulatorExpressions } from './accumulator-expressions.ts';
import { arithmeticOperators } from './arithmetic-operators.ts';
import { arrayOperators } from './arrays.ts';
import { binaryOperators } from './binary.ts';
import { conditionalOperators } from './conditionals.ts';
import { conversionOperators } from './conversion.ts';
import { dateOperators } from './date-operators.ts';
import { objectOperators } from './objects.ts';
import type { Evaluate, OperatorBuilder, Scope } from './scope.ts';
import { setOperators } from './sets.ts';
import { stringOperators } from './strings.ts';
import { variableOperators } from './variables.ts';

const operators = new Map<string, OperatorBuilder>(
  [
    accumulatorExpressions,
    arithmeticOperators,
    arrayOperators,
    binaryOperators,
    conditionalOperators,
    conversionOperators,
    dateOperators,
    objectOperators,
    setOperators,
    stringOperators,
    variableOperators,
  ].flatMap((family) => Object.entries(family)),
);

/** Compiles an aggregation expression (manual: reference/operator/aggregation) to a closure. */
export function compileExpression(expression: Value, scope: Scope): Evaluate {
  if (typeof expression === 'string') {
    return expression.startsWith('$') ? compilePath(expression, scope) : () => expression;
  }
  if (Array.isArray(expression)) return compileArray(expression, scope);
  if (expression instanceof Doc) return compileDocument(expression, scope);
  return () => expression;
}

/** Operators of the manual that need JavaScript, a text search or MongoDB's own hash function. */
const UNSUPPORTED = new Set(['$function', '$accumulator', '$meta', '$toHashedIndexKey']);

function compileArray(elements: Value[], scope: Scope): Evaluate {
  const compiled = elements.map((element) => compileExpression(element, scope));
  // A missing element of an array literal becomes null.
  return (env) => compiled.map((evaluate) => evaluate(env) ?? null);
}

function compileDocument(doc: Doc, scope: Scope): Evaluate {
  const first = doc.keys[0];
  if (first?.startsWith('$') === true) {
    if (doc.size !== 1) {
      throw new MongoError(
        15983,
        `an expression specification must contain exactly one field, the name of the expression. Found ${doc.size} fields`,
      );
    }
    const build = operators.get(first);
    if (build === undefined) {
      if (UNSUPPORTED.has(first)) {
        throw new MongoError(ErrorCode.NotImplemented, `${first} is not supported by this server`);
      }
      throw new MongoError(ErrorCode.InvalidPipelineOperator, `Unrecognized expression '${first}'`);
    }
    return build(doc.values[0] as Value, scope, compileExpression, first);
  }
  const names: string[] = [];
  const compiled: Evaluate[] = [];
  for (const [name, value] of doc.entries()) {
    if (name.includes('.')) {
      throw new MongoError(16412, `FieldPath field names may not contain '.'. Consider using $getField or $setField.`);
    }
    if (name.startsWith('$')) {
      throw new MongoError(
        16410,
        `FieldPath field names may not start with '$'. Consider using $getField or $setField.`,
      );
    }
    names.push(name);
    compiled.push(compileExpression(value, scope));
  }
  return (env) => {
    const keys: string[] = [];
    const values: Value[] = [];
    for (let i = 0; i < names.length; i++) {
      const value = (compiled[i] as Evaluate)(env);
      if (value === undefined) continue;
      keys.push(names[i] as string);
      values.push(value);
    }
    return new Doc(keys, values);
  };
}

/** `$a.b` and `$$name.a.b`. */
function compilePath(text: string, scope: Scope): Evaluate {
  if (!text.startsWith('$$')) {
    const path = splitFieldPath(text.slice(1));
    const current = scope.slot('CURRENT');
    if (current !== undefined) return (env) => valueAt(env.variables[current], path, 0);
    if (path.length === 1) {
      const name = path[0] as string;
      return (env) => (env.root instanceof Doc ? env.root.get(name) : valueAt(env.root, path, 0));
    }
    return (env) => valueAt(env.root, path, 0);
  }
  const dot = text.indexOf('.');
  const name = dot < 0 ? text.slice(2) : text.slice(2, dot);
  const start = compileVariable(name, scope);
  if (dot < 0) return start;
  const path = splitFieldPath(text.slice(dot + 1));
  return (env) => valueAt(start(env), path, 0);
}

function compileVariable(name: string, scope: Scope): Evaluate {
  const slot = scope.slot(name);
  if (slot !== undefined) return (env) => env.variables[slot];
  switch (name) {
    case 'ROOT':
    case 'CURRENT':
      return (env) => env.root;
    case 'NOW':
      return (env) => env.now;
    case 'REMOVE':
      return () => undefined;
    case 'KEEP':
    case 'PRUNE':
    case 'DESCEND':
      return () => name;
    default:
      throw new MongoError(17276, `Use of undefined variable: ${name}`);
  }
}

function splitFieldPath(path: string): string[] {
  if (path === '') throw new MongoError(16872, "'$' by itself is not a valid FieldPath");
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
  return parts;
}

/** The value at a path; through an array, the list of what its documents have there. */
export function valueAt(value: Value | undefined, path: readonly string[], depth: number): Value | undefined {
  let current = value;
  for (let i = depth; i < path.length; i++) {
    if (current instanceof Doc) {
      current = current.get(path[i] as string);
    } else if (Array.isArray(current)) {
      const found: Value[] = [];
      for (const element of current) {
        if (!(element instanceof Doc)) continue;
        const nested = valueAt(element, path, i);
        if (nested !== undefined) found.push(nested);
      }
      return found;
    } else {
      return undefined;
    }
  }
  return current;
}

/** Truth in expressions: everything but false, null, missing, undefined and zero. */
export function isTrue(value: Value | undefined): boolean {
  if (typeof value === 'boolean') return value;
  if (value === undefined || value === null) return false;
  if (isNumeric(value)) return toDouble(value) !== 0;
  return !(value instanceof Singleton && value.name === 'undefined');
}
