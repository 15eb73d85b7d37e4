/** Of the aggregation language. */
export type Expression = unknown;
/** Fields, and what becomes of them. */
export type Changes = Record<string, Expression>;

/** An update stage that makes the changes where the condition holds, and else none. */
export function mergeIf(condition: Expression, changes: Expression): Changes {
  return { $replaceWith: { $mergeObjects: ['$$ROOT', { $cond: [condition, changes, {}] }] } };
}

/** The result, in which the variables stand for what is computed once. */
export const letting = (vars: Changes, result: Expression): Changes => ({ $let: { vars, in: result } });
