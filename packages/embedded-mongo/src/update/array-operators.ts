import { render } from '../bson/render.ts';
import { Doc, isNumeric, Regex, toDouble, type Value } from '../bson/values.ts';
import { badValue, typeMismatch } from '../errors.ts';
import { elementOrder } from '../expression/array-order.ts';
import { SELF, selfDoc } from '../query/leaf.ts';
import { Matcher } from '../query/match.ts';
import { allOf, parseOperators } from '../query/parse.ts';
import { typeName } from '../query/types.ts';
import type { ModificationBuilder } from './operators.ts';

function arrayAt(existing: Value | undefined, path: string): Value[] {
  if (existing === undefined) return [];
  if (Array.isArray(existing)) return existing;
  throw badValue(`The field '${path}' must be an array but is of type ${typeName(existing)} in document`);
}

function each(operand: Value): Value[] | undefined {
  if (!(operand instanceof Doc) || operand.keys[0] !== '$each') return undefined;
  const values = operand.get('$each');
  if (!Array.isArray(values))
    throw typeMismatch(`The argument to $each in $push must be an array but it was of type: ${typeName(values)}`);
  return values;
}

/** The modifiers go into effect in one order, however they are written: position, sort, slice. */
const push: ModificationBuilder = (operand, path, { ordering }) => {
  const isForm = operand instanceof Doc && operand.has('$each');
  const values = isForm ? (each(new Doc(['$each'], [operand.get('$each') as Value])) ?? []) : [operand];
  const modifiers = isForm ? operand : Doc.EMPTY;
  for (const name of modifiers.keys) {
    if (!['$each', '$position', '$slice', '$sort'].includes(name))
      throw badValue(`Unrecognized clause in $push: ${name}`);
  }
  const position = integerModifier(modifiers, '$position');
  const slice = integerModifier(modifiers, '$slice');
  const sort = modifiers.get('$sort');
  const order = sort === undefined ? undefined : elementOrder(checkedSort(sort), ordering);
  return {
    operator: '$push',
    creates: true,
    apply(existing) {
      const array = arrayAt(existing, path);
      const at =
        position === undefined
          ? array.length
          : position < 0
            ? Math.max(array.length + position, 0)
            : Math.min(position, array.length);
      let result = values.length === 0 && existing !== undefined ? array : array.toSpliced(at, 0, ...values);
      if (order !== undefined) result = result.toSorted(order);
      if (slice !== undefined) result = slice >= 0 ? result.slice(0, slice) : result.slice(slice);
      const same =
        existing !== undefined && result.length === array.length && result.every((value, i) => value === array[i]);
      return same ? existing : result;
    },
  };
};

function integerModifier(modifiers: Doc, name: string): number | undefined {
  const value = modifiers.get(name);
  if (value === undefined) return undefined;
  if (!isNumeric(value) || !Number.isInteger(toDouble(value))) {
    throw badValue(`The value for ${name} must be an integer value, not of type: ${typeName(value)}`);
  }
  return toDouble(value);
}

function checkedSort(sort: Value): Value {
  const directions = sort instanceof Doc ? sort.values : [sort];
  for (const direction of directions) {
    const number = isNumeric(direction) ? toDouble(direction) : 0;
    if (number !== 1 && number !== -1) throw badValue('The $sort element value must be either 1 or -1');
  }
  return sort;
}

const addToSet: ModificationBuilder = (operand, path, { ordering }) => {
  const values = each(operand) ?? [operand];
  return {
    operator: '$addToSet',
    creates: true,
    apply(existing) {
      if (existing !== undefined && !Array.isArray(existing)) {
        throw badValue(
          `Cannot apply $addToSet to non-array field. Field named '${path}' has non-array type ${typeName(existing)}`,
        );
      }
      const array = existing ?? [];
      const fresh: Value[] = [];
      for (const value of values) {
        if ([...array, ...fresh].some((element) => ordering.equals(element, value))) continue;
        fresh.push(value);
      }
      return fresh.length === 0 && existing !== undefined ? existing : [...array, ...fresh];
    },
  };
};

function removal(operator: string, drops: (element: Value) => boolean): ReturnType<ModificationBuilder> {
  return {
    operator,
    creates: false,
    apply(existing) {
      if (!Array.isArray(existing)) throw badValue(`Cannot apply ${operator} to a non-array value`);
      const kept = existing.filter((element) => !drops(element));
      return kept.length === existing.length ? existing : kept;
    },
  };
}

/** The operand is a value, operators on the elements, or a condition on their fields. */
const pull: ModificationBuilder = (operand, _path, scope) => {
  if (
    operand instanceof Doc &&
    operand.keys[0]?.startsWith('$') === true &&
    !/^\$(and|or|nor|expr)$/.test(operand.keys[0])
  ) {
    const condition = allOf(parseOperators(SELF, operand, { scope }));
    return removal('$pull', (element) => condition.matches(selfDoc(element)));
  }
  if (operand instanceof Doc) {
    const condition = new Matcher(operand, { scope });
    return removal('$pull', (element) => element instanceof Doc && condition.matches(element));
  }
  if (operand instanceof Regex) {
    const condition = allOf(parseOperators(SELF, new Doc(['$regex'], [operand]), {}));
    return removal('$pull', (element) => condition.matches(selfDoc(element)));
  }
  return removal('$pull', (element) => scope.ordering.equals(element, operand));
};

const pullAll: ModificationBuilder = (operand, _path, { ordering }) => {
  if (!Array.isArray(operand))
    throw badValue(`$pullAll requires an array argument but was given a ${typeName(operand)}: ${render(operand)}`);
  return removal('$pullAll', (element) => operand.some((value) => ordering.equals(value, element)));
};

/** Manual: reference/operator/update-array. */
export const arrayUpdateOperators: Record<string, ModificationBuilder> = {
  $push: push,
  $addToSet: addToSet,
  $pull: pull,
  $pullAll: pullAll,
};
