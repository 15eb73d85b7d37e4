import { Doc, isNumeric, Singleton, toDouble, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { typeName } from '../query/types.ts';
import type { Compile, Evaluate, Scope } from './scope.ts';

/** The operands of an operator that takes a list; a single operand may stand without brackets. */
export function positional(
  name: string,
  operand: Value,
  scope: Scope,
  compile: Compile,
  min: number,
  max = min,
): Evaluate[] {
  const list = Array.isArray(operand) ? operand : [operand];
  if (list.length < min || list.length > max) {
    if (min === max) {
      throw new MongoError(16020, `Expression ${name} takes exactly ${min} arguments. ${list.length} were passed in.`);
    }
    throw new MongoError(
      28667,
      `Expression ${name} takes at least ${min} arguments, and at most ${max}, but ${list.length} were passed in.`,
    );
  }
  return list.map((entry) => compile(entry, scope));
}

/** The operands of an operator that takes a document of named ones; unknown names are refused. */
export function named<Name extends string>(
  operator: string,
  operand: Value,
  scope: Scope,
  compile: Compile,
  required: readonly Name[],
  optional: readonly Name[] = [],
): Partial<Record<Name, Evaluate>> {
  if (!(operand instanceof Doc)) {
    throw new MongoError(40065, `${operator} requires an object as an argument`);
  }
  const found: Partial<Record<Name, Evaluate>> = {};
  for (const [key, value] of operand.entries()) {
    const name = [...required, ...optional].find((candidate) => candidate === key);
    if (name === undefined) throw new MongoError(40067, `${operator} found an unknown argument: ${key}`);
    found[name] = compile(value, scope);
  }
  for (const name of required) {
    if (found[name] === undefined) throw new MongoError(40068, `${operator} requires '${name}' to be specified`);
  }
  return found;
}

/** Null, missing and undefined: what most operators answer with null. */
export function isNullish(value: Value | undefined): value is null | undefined | Singleton {
  return value === undefined || value === null || (value instanceof Singleton && value.name === 'undefined');
}

/** `n` may look at the group's id, but not at its documents: it is read when the group begins. */
export function readCount(value: Value | undefined, name: string): number {
  const count = isNumeric(value) ? toDouble(value) : Number.NaN;
  if (Number.isNaN(count)) {
    throw new MongoError(5787902, `Value for 'n' must be of integral type, but found ${typeName(value)} in ${name}`);
  }
  if (!Number.isInteger(count)) {
    throw new MongoError(5787903, `Value for 'n' must be of integral type, but found ${count} in ${name}`);
  }
  if (count <= 0) throw new MongoError(5787908, `'n' must be greater than 0, found ${count}`);
  return count;
}

/** A whole number, or the error that says what else was found. */
export function integer(value: Value | undefined, message: () => MongoError): number {
  const number = isNumeric(value) ? toDouble(value) : Number.NaN;
  if (!Number.isInteger(number)) throw message();
  return number;
}
