import { Doc, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { isNullish, readCount } from '../expression/arguments.ts';
import { compileExpression } from '../expression/compile.ts';
import type { Scope } from '../expression/scope.ts';
import { MemoryLimit } from '../plan/memory.ts';
import { parseSort, Sorter } from '../plan/sort.ts';
import { typeName } from '../query/types.ts';
import type { AccumulatorBuilder } from './accumulator.ts';

/** The operand of the N forms, with exactly the fields that they know. */
function fieldsOf(name: string, operand: Value, names: readonly string[]): Doc {
  if (!(operand instanceof Doc)) {
    throw new MongoError(5787900, `specification must be an object; found ${name} :${typeName(operand)}`);
  }
  for (const key of operand.keys) {
    if (!names.includes(key)) throw new MongoError(5787901, `Unknown argument for ${name} operator: ${key}`);
  }
  for (const key of names) {
    if (operand.has(key)) continue;
    const codes: Record<string, number> = { n: 5787906, input: 5787907, sortBy: 5788005, output: 5788004 };
    throw new MongoError(codes[key] ?? 5787906, `Missing value for '${key}'`);
  }
  return operand;
}

/** `$firstN` and `$lastN`: a missing value counts as null. */
function endN(last: boolean): AccumulatorBuilder {
  return (operand, scope, name) => {
    const fields = fieldsOf(name, operand, ['n', 'input']);
    const input = compileExpression(fields.get('input') as Value, scope);
    const n = compileExpression(fields.get('n') as Value, scope);
    return () => {
      const kept: Value[] = [];
      let count: number | undefined;
      return {
        add(env) {
          count ??= readCount(n(env), name);
          if (!last && kept.length >= count) return;
          kept.push(input(env) ?? null);
          if (kept.length > count) kept.shift();
        },
        result: () => kept,
      };
    };
  };
}

/** `$minN` and `$maxN`: null and missing do not count. */
function extremeN(direction: number): AccumulatorBuilder {
  return (operand, scope, name) => {
    const fields = fieldsOf(name, operand, ['n', 'input']);
    const input = compileExpression(fields.get('input') as Value, scope);
    const n = compileExpression(fields.get('n') as Value, scope);
    const { compare } = scope.ordering;
    return () => {
      let kept: Value[] = [];
      let count: number | undefined;
      const cut = (): Value[] => kept.sort((a, b) => direction * compare(a, b)).slice(0, count);
      return {
        add(env) {
          count ??= readCount(n(env), name);
          const value = input(env);
          if (isNullish(value)) return;
          kept.push(value);
          if (kept.length >= 2 * count + 64) kept = cut();
        },
        result: cut,
      };
    };
  };
}

interface Ranked {
  readonly key: (Value | undefined)[];
  readonly value: Value;
  readonly place: number;
}

/** `$top`, `$bottom` and their N forms: the output of the first or last documents in an order of their own. */
function ranked(bottom: boolean, many: boolean): AccumulatorBuilder {
  return (operand, scope: Scope, name) => {
    const fields = fieldsOf(name, operand, many ? ['n', 'sortBy', 'output'] : ['sortBy', 'output']);
    const sorter = new Sorter(parseSort(fields.get('sortBy')), scope.ordering);
    const output = compileExpression(fields.get('output') as Value, scope);
    const n = many ? compileExpression(fields.get('n') as Value, scope) : () => 1;
    return () => {
      let kept: Ranked[] = [];
      let count: number | undefined;
      let place = 0;
      const memory = new MemoryLimit(name);
      const cut = (): Ranked[] => {
        const sorted = kept.sort((a, b) => sorter.compareKeys(a.key, b.key) || a.place - b.place);
        return bottom ? sorted.slice(-(count ?? 1)) : sorted.slice(0, count);
      };
      return {
        add(env) {
          count ??= readCount(n(env), name);
          const value = output(env) ?? null;
          if (count > 1000) memory.take(value);
          kept.push({ key: sorter.key(env.root instanceof Doc ? env.root : Doc.EMPTY), value, place: place++ });
          if (kept.length >= 2 * count + 64) kept = cut();
        },
        result() {
          const values = cut().map(({ value }) => value);
          return many ? values : (values[0] ?? null);
        },
      };
    };
  };
}

/** Manual: reference/operator/aggregation/firstN and its neighbours. */
export const pickAccumulators: Record<string, AccumulatorBuilder> = {
  $firstN: endN(false),
  $lastN: endN(true),
  $minN: extremeN(1),
  $maxN: extremeN(-1),
  $top: ranked(false, false),
  $topN: ranked(false, true),
  $bottom: ranked(true, false),
  $bottomN: ranked(true, true),
};
