import { Doc, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { isNullish, named, positional } from './arguments.ts';
import { isTrue } from './compile.ts';
import type { Compile, Evaluate, OperatorBuilder, Scope } from './scope.ts';

const MANY = Number.MAX_SAFE_INTEGER;

function comparison(accepts: (difference: number) => Value): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const [left, right] = positional(name, operand, scope, compile, 2) as [Evaluate, Evaluate];
    return (env) => accepts(scope.ordering.compare(left(env), right(env)));
  };
}

const cond: OperatorBuilder = (operand, scope, compile) => {
  const [test, yes, no] = (
    operand instanceof Doc ? condParts(operand, scope, compile) : positional('$cond', operand, scope, compile, 3)
  ) as [Evaluate, Evaluate, Evaluate];
  return (env) => (isTrue(test(env)) ? yes(env) : no(env));
};

function condParts(operand: Doc, scope: Scope, compile: Compile): Evaluate[] {
  const parts = named('$cond', operand, scope, compile, ['if', 'then', 'else']);
  return [parts.if as Evaluate, parts.then as Evaluate, parts.else as Evaluate];
}

const ifNull: OperatorBuilder = (operand, scope, compile) => {
  if (!Array.isArray(operand) || operand.length < 2) {
    const count = Array.isArray(operand) ? operand.length : 1;
    throw new MongoError(1257300, `$ifNull needs at least two arguments, had: ${count}`);
  }
  const evaluates = operand.map((entry) => compile(entry, scope));
  const last = evaluates.pop() as Evaluate;
  return (env) => {
    for (const evaluate of evaluates) {
      const value = evaluate(env);
      if (!isNullish(value)) return value;
    }
    return last(env);
  };
};

const switchCase: OperatorBuilder = (operand, scope, compile) => {
  if (!(operand instanceof Doc)) throw new MongoError(40060, '$switch requires an object as an argument');
  const branches = operand.get('branches');
  if (!Array.isArray(branches)) throw new MongoError(40061, "$switch expected an array for 'branches'");
  if (branches.length === 0) throw new MongoError(40068, '$switch requires at least one branch.');
  for (const key of operand.keys) {
    if (key !== 'branches' && key !== 'default')
      throw new MongoError(40067, `$switch found an unknown argument: ${key}`);
  }
  const compiled = branches.map((branch) => {
    const parts = named('$switch', branch, scope, compile, ['case', 'then']);
    return { test: parts.case as Evaluate, result: parts.then as Evaluate };
  });
  const fallback = operand.get('default');
  const otherwise = fallback === undefined ? undefined : compile(fallback, scope);
  return (env) => {
    for (const { test, result } of compiled) if (isTrue(test(env))) return result(env);
    if (otherwise === undefined) {
      throw new MongoError(
        40066,
        '$switch could not find a matching branch for an input, and no default was specified.',
      );
    }
    return otherwise(env);
  };
};

/** Manual: reference/operator/aggregation, "Boolean", "Comparison" and "Conditional Expression Operators". */
export const conditionalOperators: Record<string, OperatorBuilder> = {
  $eq: (operand, scope, compile) => {
    const [left, right] = positional('$eq', operand, scope, compile, 2) as [Evaluate, Evaluate];
    return (env) => scope.ordering.equals(left(env), right(env));
  },
  $ne: comparison((difference) => difference !== 0),
  $lt: comparison((difference) => difference < 0),
  $lte: comparison((difference) => difference <= 0),
  $gt: comparison((difference) => difference > 0),
  $gte: comparison((difference) => difference >= 0),
  $cmp: comparison((difference) => (difference === 0 ? 0 : difference < 0 ? -1 : 1)),
  $and: (operand, scope, compile) => {
    const evaluates = positional('$and', operand, scope, compile, 0, MANY);
    return (env) => evaluates.every((evaluate) => isTrue(evaluate(env)));
  },
  $or: (operand, scope, compile) => {
    const evaluates = positional('$or', operand, scope, compile, 0, MANY);
    return (env) => evaluates.some((evaluate) => isTrue(evaluate(env)));
  },
  $not: (operand, scope, compile) => {
    const [evaluate] = positional('$not', operand, scope, compile, 1) as [Evaluate];
    return (env) => !isTrue(evaluate(env));
  },
  $cond: cond,
  $ifNull: ifNull,
  $switch: switchCase,
};
