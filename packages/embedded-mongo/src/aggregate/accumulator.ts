import type { Value } from '../bson/values.ts';
import type { Environment, Scope } from '../expression/scope.ts';

/** Gathers the values of one group, or of one window. */
export interface Accumulator {
  add(env: Environment): void;
  result(): Value;
}

/** Compiles the operand of one accumulator to what makes one for each group. */
export type AccumulatorBuilder = (operand: Value, scope: Scope, name: string) => () => Accumulator;
