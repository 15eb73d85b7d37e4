import { isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue } from '../errors.ts';
import { compileExpression, isTrue } from '../expression/compile.ts';
import { type Scope, topScope } from '../expression/scope.ts';
import type { MatchNode } from './node.ts';

/** `$expr`: an aggregation expression as a condition (manual: reference/operator/query/expr). */
export function expressionNode(value: Value, scope: Scope = topScope()): MatchNode {
  const evaluate = compileExpression(value, scope);
  return { kind: 'opaque', matches: (doc) => isTrue(evaluate(scope.environment(doc))) };
}

export function sampleRateNode(value: Value): MatchNode {
  const rate = isNumeric(value) ? toDouble(value) : Number.NaN;
  if (!(rate >= 0 && rate <= 1)) throw badValue('numeric argument to $sampleRate must be in [0, 1]');
  return { kind: 'opaque', matches: () => Math.random() < rate };
}
