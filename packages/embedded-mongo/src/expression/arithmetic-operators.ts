import {
  add,
  divide,
  fitsLong,
  fromInt,
  multiply,
  negate,
  remainder,
  subtract,
  toDecimal,
} from '../bson/arithmetic.ts';
import { compareNumbers } from '../bson/compare.ts';
import { Decimal, round as roundExact } from '../bson/decimal.ts';
import { DateTime, Double, isNumeric, type Numeric, toDouble, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError, typeMismatch } from '../errors.ts';
import { typeName } from '../query/types.ts';
import { isNullish, positional } from './arguments.ts';
import type { OperatorBuilder } from './scope.ts';

const MANY = Number.MAX_SAFE_INTEGER;

function unary(apply: (value: Numeric) => Value): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const [evaluate] = positional(name, operand, scope, compile, 1);
    return (env) => {
      const value = evaluate?.(env);
      if (isNullish(value)) return null;
      if (!isNumeric(value)) throw new MongoError(28765, `${name} only supports numeric types, not ${typeName(value)}`);
      return apply(value);
    };
  };
}

function floating(apply: (value: number) => number): OperatorBuilder {
  return unary((value) =>
    value instanceof Decimal ? Decimal.fromDouble(apply(value.toNumber())) : new Double(apply(toDouble(value))),
  );
}

/** Rounds half to even at a decimal place, as `$round` does; `$trunc` cuts. */
function atPlace(value: Numeric, place: number, cut: boolean): Numeric {
  if (value instanceof Decimal) {
    if (value.special !== undefined || value.exponent >= -place) return value;
    const divisor = 10n ** BigInt(-place - value.exponent);
    return roundExact({ coefficient: divideBy(value.coefficient, divisor, cut), exponent: -place });
  }
  if (value instanceof Double) {
    if (!Number.isFinite(value.value)) return value;
    if (place === 0) return new Double(cut ? Math.trunc(value.value) : halfEven(value.value));
    const exact = Decimal.parse(value.value.toString());
    return new Double((atPlace(exact, place, cut) as Decimal).toNumber());
  }
  if (place >= 0) return value;
  const scale = 10n ** BigInt(-place);
  const rounded = divideBy(BigInt(value), scale, cut) * scale;
  if (typeof value === 'number') return fromInt(Number(rounded));
  if (!fitsLong(rounded)) throw new MongoError(51080, 'invalid conversion from Decimal128 result in $round');
  return rounded;
}

function divideBy(value: bigint, divisor: bigint, cut: boolean): bigint {
  const quotient = value / divisor;
  if (cut) return quotient;
  const rest = value % divisor;
  const twice = (rest < 0n ? -rest : rest) * 2n;
  if (twice < divisor || (twice === divisor && quotient % 2n === 0n)) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}

function halfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function rounding(cut: boolean): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const [value, places] = positional(name, operand, scope, compile, 1, 2);
    return (env) => {
      const number = value?.(env);
      const place = places === undefined ? 0 : places(env);
      if (isNullish(number) || isNullish(place)) return null;
      if (!isNumeric(number))
        throw new MongoError(51081, `${name} only supports numeric types, not ${typeName(number)}`);
      if (!isNumeric(place) || !Number.isInteger(toDouble(place))) {
        throw new MongoError(51082, `precision argument to  ${name} must be a integral value`);
      }
      const digits = toDouble(place);
      if (digits < -20 || digits > 100) {
        throw new MongoError(51083, `cannot apply ${name} with precision value ${digits} value must be in [-20, 100]`);
      }
      return atPlace(number, digits, cut);
    };
  };
}

/** `$floor` and `$ceil` keep the type. */
function toWhole(floor: boolean): OperatorBuilder {
  return unary((value) => {
    if (value instanceof Double) return new Double(floor ? Math.floor(value.value) : Math.ceil(value.value));
    if (!(value instanceof Decimal) || value.special !== undefined || value.exponent >= 0) return value;
    const cut = atPlace(value, 0, true) as Decimal;
    const difference = compareNumbers(value, cut);
    if (difference === 0 || difference > 0 === floor) return cut;
    return add(cut, floor ? -1 : 1);
  });
}

const sum: OperatorBuilder = (operand, scope, compile) => {
  const evaluates = positional('$add', operand, scope, compile, 0, MANY);
  return (env) => {
    let total: Numeric = 0;
    let date = false;
    let nullish = false;
    for (const evaluate of evaluates) {
      const value = evaluate(env);
      if (isNumeric(value)) {
        total = add(total, value);
      } else if (value instanceof DateTime) {
        if (date) throw new MongoError(16612, 'only one date allowed in an $add expression');
        date = true;
        total = add(total, BigInt(value.ms));
      } else if (isNullish(value)) {
        nullish = true;
      } else {
        throw typeMismatch(`$add only supports numeric or date types, not ${typeName(value)}`);
      }
    }
    if (nullish) return null;
    return date ? new DateTime(Math.round(toDouble(total))) : total;
  };
};

const difference: OperatorBuilder = (operand, scope, compile) => {
  const [left, right] = positional('$subtract', operand, scope, compile, 2);
  return (env) => {
    const a = left?.(env);
    const b = right?.(env);
    if (isNullish(a) || isNullish(b)) return null;
    if (isNumeric(a) && isNumeric(b)) return subtract(a, b);
    if (a instanceof DateTime && b instanceof DateTime) return BigInt(a.ms - b.ms);
    if (a instanceof DateTime && isNumeric(b)) return new DateTime(a.ms - Math.round(toDouble(b)));
    throw typeMismatch(`can't $subtract ${typeName(b)} from ${typeName(a)}`);
  };
};

const product: OperatorBuilder = (operand, scope, compile) => {
  const evaluates = positional('$multiply', operand, scope, compile, 0, MANY);
  return (env) => {
    let total: Numeric = 1;
    let nullish = false;
    for (const evaluate of evaluates) {
      const value = evaluate(env);
      if (isNumeric(value)) total = multiply(total, value);
      else if (isNullish(value)) nullish = true;
      else throw typeMismatch(`$multiply only supports numeric types, not ${typeName(value)}`);
    }
    return nullish ? null : total;
  };
};

function binary(apply: (a: Numeric, b: Numeric, name: string) => Value): OperatorBuilder {
  return (operand, scope, compile, name) => {
    const [left, right] = positional(name, operand, scope, compile, 2);
    return (env) => {
      const a = left?.(env);
      const b = right?.(env);
      if (isNullish(a) || isNullish(b)) return null;
      if (!isNumeric(a) || !isNumeric(b)) {
        throw typeMismatch(`${name} only supports numeric types, not ${typeName(a)} and ${typeName(b)}`);
      }
      return apply(a, b, name);
    };
  };
}

function power(a: Numeric, b: Numeric): Value {
  if (a instanceof Decimal || b instanceof Decimal) {
    if (b instanceof Double || toDecimal(b).exponent < 0) return Decimal.fromDouble(toDouble(a) ** toDouble(b));
    let result: Numeric = toDecimal(1);
    const exponent = Math.abs(toDouble(b));
    if (exponent > 10_000) return Decimal.fromDouble(toDouble(a) ** toDouble(b));
    for (let i = 0; i < exponent; i++) result = multiply(result, a);
    return toDouble(b) < 0 ? divide(1, result) : result;
  }
  const isZeroBase = toDouble(a) === 0;
  if (isZeroBase && toDouble(b) < 0) {
    throw new MongoError(28764, '$pow cannot take a base of 0 and a negative exponent');
  }
  if (a instanceof Double || b instanceof Double || toDouble(b) < 0) return new Double(toDouble(a) ** toDouble(b));
  if (BigInt(b) > 63n && Math.abs(toDouble(a)) > 1) return new Double(toDouble(a) ** toDouble(b));
  const exact = BigInt(a) ** (Math.abs(toDouble(a)) > 1 ? BigInt(b) : BigInt(b) % 2n === 0n ? 2n : 1n);
  if (toDouble(b) === 0) return typeof a === 'number' && typeof b === 'number' ? 1 : 1n;
  if (typeof a === 'number' && typeof b === 'number' && Number.isSafeInteger(Number(exact)))
    return fromInt(Number(exact));
  return fitsLong(exact) ? exact : new Double(toDouble(a) ** toDouble(b));
}

function positive(name: string, code: number, apply: (value: number) => number): OperatorBuilder {
  return unary((value) => {
    if (toDouble(value) < 0 || (name !== '$sqrt' && toDouble(value) === 0)) {
      const bound = name === '$sqrt' ? 'greater than or equal to 0' : 'a positive number';
      throw new MongoError(code, `${name}'s argument must be ${bound}, but is ${String(toDouble(value))}`);
    }
    return value instanceof Decimal ? Decimal.fromDouble(apply(value.toNumber())) : new Double(apply(toDouble(value)));
  });
}

/** Manual: reference/operator/aggregation, "Arithmetic Expression Operators" and "Trigonometry". */
export const arithmeticOperators: Record<string, OperatorBuilder> = {
  $add: sum,
  $subtract: difference,
  $multiply: product,
  $divide: binary((a, b) => {
    if (toDouble(b) === 0) throw new MongoError(ErrorCode.BadValue, "can't $divide by zero");
    return divide(a, b);
  }),
  $mod: binary((a, b) => {
    if (toDouble(b) === 0) throw new MongoError(16610, "can't $mod by zero");
    return remainder(a, b);
  }),
  $pow: binary(power),
  $abs: unary((value) => (compareNumbers(value, 0) < 0 && !Number.isNaN(toDouble(value)) ? negate(value) : value)),
  $ceil: toWhole(false),
  $floor: toWhole(true),
  $round: rounding(false),
  $trunc: rounding(true),
  $exp: floating(Math.exp),
  $sqrt: positive('$sqrt', 28714, Math.sqrt),
  $ln: positive('$ln', 28766, Math.log),
  $log10: positive('$log10', 28761, Math.log10),
  $log: binary((a, b) => {
    if (toDouble(a) <= 0) throw new MongoError(28758, "$log's argument must be a positive number");
    if (toDouble(b) <= 0 || toDouble(b) === 1)
      throw new MongoError(28759, "$log's base must be a positive number not equal to 1");
    return new Double(Math.log(toDouble(a)) / Math.log(toDouble(b)));
  }),
  $sin: floating(Math.sin),
  $cos: floating(Math.cos),
  $tan: floating(Math.tan),
  $asin: floating(Math.asin),
  $acos: floating(Math.acos),
  $atan: floating(Math.atan),
  $atan2: binary((a, b) => new Double(Math.atan2(toDouble(a), toDouble(b)))),
  $sinh: floating(Math.sinh),
  $cosh: floating(Math.cosh),
  $tanh: floating(Math.tanh),
  $asinh: floating(Math.asinh),
  $acosh: floating(Math.acosh),
  $atanh: floating(Math.atanh),
  $degreesToRadians: floating((degrees) => (degrees * Math.PI) / 180),
  $radiansToDegrees: floating((radians) => (radians * 180) / Math.PI),
};
