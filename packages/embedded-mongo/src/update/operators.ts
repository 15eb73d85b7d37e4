import { add, multiply } from '../bson/arithmetic.ts';
import { compare } from '../bson/compare.ts';
import { identical } from '../bson/identical.ts';
import { render } from '../bson/render.ts';
import { DateTime, Doc, Double, isNumeric, type Numeric, Timestamp, type Value } from '../bson/values.ts';
import { badValue, failedToParse, typeMismatch } from '../errors.ts';
import type { Scope } from '../expression/scope.ts';
import { typeName } from '../query/types.ts';
import type { Modification } from './tree.ts';

/** Makes the modification that an operator's entry `path: operand` stands for; the scope has the statement's collation. */
export type ModificationBuilder = (operand: Value, path: string, scope: Scope) => Modification;

/** Keeps the stored value when the new one is identical, so that nothing counts as modified. */
const keep = (existing: Value | undefined, fresh: Value): Value =>
  identical(existing, fresh) ? (existing as Value) : fresh;

const set: ModificationBuilder = (operand) => ({
  operator: '$set',
  creates: true,
  apply: (existing) => keep(existing, operand),
});

function arithmetic(
  operator: string,
  whenMissing: (operand: Numeric) => Value,
  combine: (a: Numeric, b: Numeric) => Numeric,
): ModificationBuilder {
  return (operand, path) => {
    const verb = operator === '$inc' ? 'increment' : 'multiply';
    if (!isNumeric(operand)) {
      throw typeMismatch(`Cannot ${verb} with non-numeric argument: {${path}: ${render(operand)}}`);
    }
    return {
      operator,
      creates: true,
      apply(existing) {
        if (existing === undefined) return whenMissing(operand);
        if (!isNumeric(existing)) {
          throw typeMismatch(
            `Cannot apply ${operator} to a value of non-numeric type. The field '${path.slice(path.lastIndexOf('.') + 1)}' is of non-numeric type ${typeName(existing)}`,
          );
        }
        const result = combine(existing, operand);
        // Two integers whose result is a double have left the range of longs.
        if (result instanceof Double && !(existing instanceof Double) && !(operand instanceof Double)) {
          throw badValue(`Failed to apply ${operator} operations to current value (${render(existing)}) for document`);
        }
        return keep(existing, result);
      },
    };
  };
}

function extremum(operator: string, direction: number): ModificationBuilder {
  return (operand, _path, { ordering }) => ({
    operator,
    creates: true,
    apply: (existing) =>
      existing === undefined || ordering.compare(operand, existing) * direction > 0 ? operand : existing,
  });
}

const currentDate: ModificationBuilder = (operand, path) => {
  const type = operand instanceof Doc ? operand.get('$type') : 'date';
  if (operand instanceof Doc ? type !== 'date' && type !== 'timestamp' : typeof operand !== 'boolean') {
    throw badValue(
      `The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field : {$type: 'date'}}} (at ${path})`,
    );
  }
  return {
    operator: '$currentDate',
    creates: true,
    apply: () => (type === 'timestamp' ? new Timestamp(Math.floor(Date.now() / 1000), 1) : new DateTime(Date.now())),
  };
};

const bit: ModificationBuilder = (operand, path) => {
  if (!(operand instanceof Doc))
    throw badValue(
      `The $bit modifier is not compatible with a ${typeName(operand)}. You must pass in an embedded document: {$bit: {field: {and/or/xor: #}}`,
    );
  const steps = [...operand.entries()].map(([name, value]) => {
    if (name !== 'and' && name !== 'or' && name !== 'xor') {
      throw badValue(
        `The $bit modifier only supports 'and', 'or', and 'xor', not '${name}' which is an unknown operator: {${name}: ${render(value)}}`,
      );
    }
    if (typeof value !== 'number' && typeof value !== 'bigint') {
      throw badValue(
        `The $bit modifier field must be an Integer(32/64 bit); a '${typeName(value)}' is not supported here: {${name}: ${render(value)}}`,
      );
    }
    return { name, value };
  });
  return {
    operator: '$bit',
    creates: true,
    apply(existing = 0) {
      if (typeof existing !== 'number' && typeof existing !== 'bigint') {
        throw badValue(
          `Cannot apply $bit to a value of non-integral type. The field ${path} has the non-integer type ${typeName(existing)}`,
        );
      }
      let result: number | bigint = existing;
      for (const { name, value } of steps) {
        const long = typeof result === 'bigint' || typeof value === 'bigint';
        const [a, b] = [BigInt(result), BigInt(value)];
        const wide: bigint = name === 'and' ? a & b : name === 'or' ? a | b : a ^ b;
        result = long ? wide : Number(wide);
      }
      return keep(existing, result);
    },
  };
};

const pop: ModificationBuilder = (operand, path) => {
  const direction = isNumeric(operand) ? Number(compare(operand, 0)) : 0;
  if (!isNumeric(operand) || (compare(operand, 1) !== 0 && compare(operand, -1) !== 0)) {
    throw failedToParse(`Expected a number in: ${path}: ${render(operand)}`);
  }
  return {
    operator: '$pop',
    creates: false,
    apply(existing) {
      if (!Array.isArray(existing)) {
        throw typeMismatch(`Path '${path}' contains an element of non-array type '${typeName(existing)}'`);
      }
      if (existing.length === 0) return existing;
      return direction > 0 ? existing.slice(0, -1) : existing.slice(1);
    },
  };
};

/** Manual: reference/operator/update, the operators on single fields. */
export const fieldOperators: Record<string, ModificationBuilder> = {
  $set: set,
  $setOnInsert: (operand, path, scope) => ({
    ...set(operand, path, scope),
    operator: '$setOnInsert',
    onlyInserting: true,
  }),
  $unset: () => ({ operator: '$unset', creates: false, apply: () => undefined }),
  $inc: arithmetic('$inc', (operand) => operand, add),
  $mul: arithmetic('$mul', (operand) => multiply(operand, 0), multiply),
  $min: extremum('$min', -1),
  $max: extremum('$max', 1),
  $currentDate: currentDate,
  $bit: bit,
  $pop: pop,
};
