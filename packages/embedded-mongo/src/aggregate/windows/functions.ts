import { add, divide, multiply, subtract } from '../../bson/arithmetic.ts';
import { DateTime, Doc, Double, isNumeric, type Numeric, toDouble, type Value } from '../../bson/values.ts';
import type { Ordering } from '../../collation/ordering.ts';
import { failedToParse, MongoError } from '../../errors.ts';
import { isNullish } from '../../expression/arguments.ts';
import { compileExpression } from '../../expression/compile.ts';
import type { Evaluate, Scope } from '../../expression/scope.ts';
import { PAUSE, Slice } from '../../plan/stream.ts';
import { coordinate, type Partition, type Window } from './window.ts';

/** The value of one output field for every document of a partition. */
export type WindowFunction = (partition: Partition) => Generator<typeof PAUSE, (Value | undefined)[]>;

export interface FunctionContext {
  readonly name: string;
  readonly operand: Value;
  readonly scope: Scope;
  readonly window: Window;
  readonly hasWindow: boolean;
  readonly sortFields: number;
}

export type WindowFunctionBuilder = (context: FunctionContext) => WindowFunction;

function evaluateAll(partition: Partition, evaluate: Evaluate, scope: Scope): (Value | undefined)[] {
  return partition.docs.map((doc) => evaluate(scope.environment(doc)));
}

function refuseWindow({ name, hasWindow }: FunctionContext): void {
  if (hasWindow) throw new MongoError(5371601, `${name} does not accept a 'window' field`);
}

function requireSort({ name, sortFields }: FunctionContext, single: boolean): void {
  if (sortFields === 0 || (single && sortFields !== 1)) {
    throw new MongoError(
      5371602,
      `${name} must be specified with a top level sortBy expression with exactly one element`,
    );
  }
}

/** Equal sort values share a rank (manual: reference/operator/aggregation/rank and denseRank). */
function rank(next: (rank: number, place: number) => number): WindowFunctionBuilder {
  return (context) => {
    refuseWindow(context);
    requireSort(context, true);
    emptyOperand(context);
    const same: Ordering['equals'] = context.scope.ordering.equals;
    return function* ({ keys }) {
      let current = 0;
      return keys.map((key, i) => {
        if (i === 0 || !same(key ?? null, keys[i - 1] ?? null)) current = next(current, i + 1);
        return current;
      });
    };
  };
}

function emptyOperand({ name, operand }: FunctionContext): void {
  if (!(operand instanceof Doc) || operand.size > 0) {
    throw new MongoError(5371603, `${name} must be specified with '{}' as the value`);
  }
}

const documentNumber: WindowFunctionBuilder = (context) => {
  refuseWindow(context);
  requireSort(context, false);
  emptyOperand(context);
  return function* ({ docs }) {
    return docs.map((_, i) => i + 1);
  };
};

function options({ name, operand }: FunctionContext, names: readonly string[], required: readonly string[]): Doc {
  if (!(operand instanceof Doc)) throw failedToParse(`Argument to ${name} must be an object`);
  for (const key of operand.keys)
    if (!names.includes(key)) throw failedToParse(`${name} got unexpected argument: ${key}`);
  for (const key of required) if (!operand.has(key)) throw failedToParse(`${name} requires '${key}'`);
  return operand;
}

const shift: WindowFunctionBuilder = (context) => {
  const given = options(context, ['output', 'by', 'default'], ['output', 'by']);
  refuseWindow(context);
  requireSort(context, false);
  const { scope } = context;
  const by = given.get('by');
  if (!isNumeric(by) || !Number.isInteger(toDouble(by))) throw failedToParse("'$shift:by' field must be an integer");
  const output = compileExpression(given.get('output') as Value, scope);
  const otherwise = compileExpression(given.get('default') ?? null, scope)(scope.environment(Doc.EMPTY)) ?? null;
  return function* (partition) {
    const values = evaluateAll(partition, output, scope);
    const distance = toDouble(by);
    return values.map((_, i) => (i + distance in values ? (values[i + distance] ?? null) : otherwise));
  };
};

const UNIT_MS: Record<string, number> = {
  week: 604_800_000,
  day: 86_400_000,
  hour: 3_600_000,
  minute: 60_000,
  second: 1000,
  millisecond: 1,
};

function unitMs(given: Doc, name: string): number | undefined {
  const unit = given.get('unit');
  if (unit === undefined) return undefined;
  const ms = typeof unit === 'string' ? UNIT_MS[unit] : undefined;
  if (ms === undefined) throw new MongoError(5490704, `unit must be 'week' or smaller in ${name}`);
  return ms;
}

/** Change over the window, from its first to its last document, by the sort field. */
const derivative: WindowFunctionBuilder = (context) => {
  const { name, scope, window } = context;
  const given = options(context, ['input', 'unit'], ['input']);
  requireSort(context, true);
  if (!context.hasWindow) throw failedToParse(`${name} requires explicit window bounds`);
  const input = compileExpression(given.get('input') as Value, scope);
  const ms = unitMs(given, name);
  return function* (partition) {
    const values = evaluateAll(partition, input, scope);
    return values.map((_, i) => {
      const { from, to } = window.frame(partition, i);
      const [first, last] = [values[from], values[to - 1]];
      if (to - from < 2 || !isNumeric(first) || !isNumeric(last)) return null;
      const run = coordinate(partition.keys[to - 1], ms, name) - coordinate(partition.keys[from], ms, name);
      return run === 0 ? null : divide(subtract(last, first), new Double(run));
    });
  };
};

/** The area under the values, by trapezoids. */
const integral: WindowFunctionBuilder = (context) => {
  const { name, scope, window } = context;
  const given = options(context, ['input', 'unit'], ['input']);
  requireSort(context, true);
  const input = compileExpression(given.get('input') as Value, scope);
  const ms = unitMs(given, name);
  return function* (partition) {
    const values = evaluateAll(partition, input, scope);
    const points = values.map((value, i) => ({ value, x: coordinate(partition.keys[i], ms, name) }));
    const slice = new Slice();
    const results: Value[] = [];
    for (let i = 0; i < points.length; i++) {
      const { from, to } = window.frame(partition, i);
      let area: Numeric = 0;
      let before: { value: Numeric; x: number } | undefined;
      for (let k = from; k < to; k++) {
        if (slice.expired()) yield PAUSE;
        const { value, x } = points[k] as { value: Value | undefined; x: number };
        if (!isNumeric(value)) continue;
        if (before !== undefined) {
          area = add(area, multiply(add(before.value, value), new Double((x - before.x) / 2)));
        }
        before = { value, x };
      }
      results.push(before === undefined ? null : area);
    }
    return results;
  };
};

const expMovingAvg: WindowFunctionBuilder = (context) => {
  const { name, scope } = context;
  const given = options(context, ['input', 'N', 'alpha'], ['input']);
  refuseWindow(context);
  requireSort(context, false);
  const [n, alpha] = [given.get('N'), given.get('alpha')];
  if ((n === undefined) === (alpha === undefined)) throw failedToParse(`${name} requires either 'N' or 'alpha'`);
  const weight = isNumeric(n) ? 2 / (toDouble(n) + 1) : isNumeric(alpha) ? toDouble(alpha) : Number.NaN;
  const isValid = n === undefined ? weight > 0 && weight < 1 : isNumeric(n) && toDouble(n) > 0 && weight > 0;
  if (!isValid) throw failedToParse(`${name} requires a positive 'N', or an 'alpha' between 0 and 1 (exclusive)`);
  const input = compileExpression(given.get('input') as Value, scope);
  return function* (partition) {
    let average: Numeric | undefined;
    return evaluateAll(partition, input, scope).map((value) => {
      if (!isNumeric(value)) return null;
      const before: Numeric = average ?? multiply(value, new Double(1));
      const kept: Numeric = multiply(before, new Double(1 - weight));
      average = average === undefined ? before : add(multiply(value, new Double(weight)), kept);
      return average;
    });
  };
};

function covariance(lost: number): WindowFunctionBuilder {
  return ({ operand, scope, window, name }) => {
    if (!Array.isArray(operand) || operand.length !== 2)
      throw failedToParse(`${name} requires an array of 2 expressions`);
    const [x, y] = operand.map((entry) => compileExpression(entry, scope)) as [Evaluate, Evaluate];
    return function* (partition) {
      const xs = evaluateAll(partition, x, scope);
      const ys = evaluateAll(partition, y, scope);
      return xs.map((_, i) => {
        const { from, to } = window.frame(partition, i);
        let count = 0;
        let [meanX, meanY, sum] = [0, 0, 0];
        for (let k = from; k < to; k++) {
          const [a, b] = [xs[k], ys[k]];
          if (!isNumeric(a) || !isNumeric(b)) continue;
          count += 1;
          const delta = toDouble(a) - meanX;
          meanX += delta / count;
          meanY += (toDouble(b) - meanY) / count;
          sum += delta * (toDouble(b) - meanY);
        }
        return count - lost <= 0 ? null : new Double(sum / (count - lost));
      });
    };
  };
}

const locf: WindowFunctionBuilder = (context) => {
  refuseWindow(context);
  const evaluate = compileExpression(context.operand, context.scope);
  return function* (partition) {
    let last: Value = null;
    return evaluateAll(partition, evaluate, context.scope).map((value) => {
      if (!isNullish(value)) last = value;
      return last;
    });
  };
};

/** Values between two known ones lie on the line between them, by the sort field. */
const linearFill: WindowFunctionBuilder = (context) => {
  refuseWindow(context);
  const { scope, name } = context;
  if (context.sortFields !== 1)
    throw new MongoError(605001, '$linearFill must be specified with a sortBy of one element');
  const evaluate = compileExpression(context.operand, scope);
  return function* (partition) {
    const values = evaluateAll(partition, evaluate, scope);
    const x = partition.keys.map((key) => coordinate(key, key instanceof DateTime ? 1 : undefined, name));
    for (let i = 1; i < x.length; i++) {
      if (x[i] === x[i - 1]) {
        throw new MongoError(6050106, 'There can be no repeated values in the sort field of $linearFill');
      }
    }
    const results: Value[] = [];
    let left = -1;
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (isNullish(value)) {
        results.push(null);
        continue;
      }
      if (!isNumeric(value)) throw new MongoError(6050201, 'Value to be filled must be numeric or nullish');
      const from = values[left];
      for (let k = left + 1; left >= 0 && k < i && isNumeric(from); k++) {
        const share = ((x[k] as number) - (x[left] as number)) / ((x[i] as number) - (x[left] as number));
        results[k] = add(from, multiply(subtract(value, from), new Double(share)));
      }
      left = i;
      results.push(value);
    }
    return results;
  };
};

/** Manual: reference/operator/aggregation/setWindowFields, "Window Operators". */
export const windowFunctions: Record<string, WindowFunctionBuilder> = {
  $rank: rank((_current, place) => place),
  $denseRank: rank((current) => current + 1),
  $documentNumber: documentNumber,
  $shift: shift,
  $derivative: derivative,
  $integral: integral,
  $expMovingAvg: expMovingAvg,
  $covariancePop: covariance(0),
  $covarianceSamp: covariance(1),
  $locf: locf,
  $linearFill: linearFill,
};
