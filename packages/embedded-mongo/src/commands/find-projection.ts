import { compileProjection, type SpecialLeaf } from '../aggregate/projection.ts';
import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue, MongoError } from '../errors.ts';
import type { Scope } from '../expression/scope.ts';
import { SELF, selfDoc } from '../query/leaf.ts';
import { Matcher } from '../query/match.ts';
import { allOf, parseOperators } from '../query/parse.ts';

/** The projection of `find`, with `$slice`, `$elemMatch` and the positional `$` (manual: reference/operator/projection). */
export function compileFindProjection(projection: Doc, query: Matcher, scope: Scope): (doc: Doc) => Doc {
  const positional = projection.keys.find((key) => key.endsWith('.$'));
  const plain = positional === undefined ? projection : renamed(projection, positional, positional.slice(0, -2));
  const state = { position: -1 };
  const special: SpecialLeaf = (path, value) => {
    if (positional !== undefined && path === positional.slice(0, -2)) {
      return { including: true, leaf: (found) => onlyElement(found, state.position) };
    }
    if (!(value instanceof Doc)) return undefined;
    switch (value.keys[0]) {
      case '$slice':
        // On its own `$slice` keeps all other fields.
        return isFindSlice(value.values[0] as Value)
          ? { including: undefined, leaf: slice(value.values[0] as Value) }
          : undefined;
      case '$elemMatch':
        return { including: true, leaf: elemMatch(value.values[0] as Value) };
      case '$meta':
        throw new MongoError(
          40218,
          'query requires text score metadata, but it is not available: this server has no text search',
        );
      default:
        return undefined;
    }
  };
  const apply = compileProjection(plain, scope, 'projection', special);
  if (positional === undefined) return apply;
  return (doc) => {
    const details = { position: -1 };
    query.matches(doc, details);
    if (details.position < 0) {
      throw new MongoError(
        51246,
        "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching element in the array",
      );
    }
    state.position = details.position;
    return apply(doc);
  };
}

function renamed(doc: Doc, from: string, to: string): Doc {
  return new Doc(
    doc.keys.map((key) => (key === from ? to : key)),
    doc.values,
  );
}

function onlyElement(value: Value | undefined, position: number): Value | undefined {
  if (!Array.isArray(value)) return value;
  const element = value[position];
  return element === undefined ? [] : [element];
}

/** The form of `find`: a number, or two numbers. Three operands are the expression of the same name. */
function isFindSlice(operand: Value): boolean {
  return isNumeric(operand) || (Array.isArray(operand) && operand.length === 2 && operand.every(isNumeric));
}

function slice(operand: Value): (value: Value | undefined) => Value | undefined {
  const numbers = (Array.isArray(operand) ? operand : [operand]).map((entry) =>
    isNumeric(entry) ? toDouble(entry) : 0,
  );
  const [first = 0, count] = numbers;
  if (count !== undefined && count <= 0)
    throw new MongoError(28724, `First argument to $slice must be an array, but is of type: int`);
  return (value) => {
    if (!Array.isArray(value)) return value;
    if (count === undefined) return first >= 0 ? value.slice(0, first) : value.slice(first);
    const start = first >= 0 ? first : Math.max(value.length + first, 0);
    return value.slice(start, start + count);
  };
}

/** The first element that matches; without one the field is left out. */
function elemMatch(operand: Value): (value: Value | undefined) => Value | undefined {
  if (!(operand instanceof Doc)) throw badValue('$elemMatch needs an Object');
  const onValues = operand.keys[0]?.startsWith('$') === true && !/^\$(and|or|nor)$/.test(operand.keys[0]);
  const onElement = onValues ? allOf(parseOperators(SELF, operand, { onElement: true })) : new Matcher(operand);
  return (value) => {
    if (!Array.isArray(value)) return undefined;
    const found = value.find((element) =>
      onValues ? onElement.matches(selfDoc(element)) : element instanceof Doc && onElement.matches(element),
    );
    return found === undefined ? undefined : [found];
  };
}
