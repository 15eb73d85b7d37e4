import { Doc, Double } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import type { Evaluate, OperatorBuilder } from './scope.ts';

const letOperator: OperatorBuilder = (operand, scope, compile) => {
  if (!(operand instanceof Doc)) throw new MongoError(16874, '$let only supports an object as its argument');
  const vars = operand.get('vars');
  const body = operand.get('in');
  if (!(vars instanceof Doc)) throw new MongoError(16876, "Missing 'vars' parameter to $let");
  if (body === undefined) throw new MongoError(16877, "Missing 'in' parameter to $let");
  let inner = scope;
  const assignments: { slot: number; evaluate: Evaluate }[] = [];
  for (const [name, expression] of vars.entries()) {
    // The variables are evaluated outside of the scope they open.
    const evaluate = compile(expression, scope);
    const declared = inner.declare(name);
    inner = declared.scope;
    assignments.push({ slot: declared.slot, evaluate });
  }
  const result = compile(body, inner);
  return (env) => {
    for (const { slot, evaluate } of assignments) env.variables[slot] = evaluate(env);
    return result(env);
  };
};

/** Manual: reference/operator/aggregation, "Variable", "Literal" and "Miscellaneous Operators". */
export const variableOperators: Record<string, OperatorBuilder> = {
  $let: letOperator,
  $literal: (operand) => () => operand,
  $const: (operand) => () => operand,
  $rand: () => () => new Double(Math.random()),
};
