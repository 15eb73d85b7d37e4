import { addDecimals, Decimal, divideDecimals, multiplyDecimals, negateDecimal, remainderDecimals } from './decimal.ts';
import { Double, type Numeric, toDouble } from './values.ts';

/**
 * Arithmetic on the four numeric types. The result has the wider type of the two operands; an Int32 that overflows
 * becomes an Int64, an Int64 that overflows becomes a double (manual: reference/operator/aggregation/add).
 */
export function add(a: Numeric, b: Numeric): Numeric {
  if (typeof a === 'number' && typeof b === 'number') return fromInt(a + b);
  if (a instanceof Decimal || b instanceof Decimal) return addDecimals(toDecimal(a), toDecimal(b));
  if (a instanceof Double || b instanceof Double) return new Double(toDouble(a) + toDouble(b));
  return fromLong(BigInt(a) + BigInt(b));
}

export function subtract(a: Numeric, b: Numeric): Numeric {
  if (typeof a === 'number' && typeof b === 'number') return fromInt(a - b);
  if (a instanceof Decimal || b instanceof Decimal) return addDecimals(toDecimal(a), negateDecimal(toDecimal(b)));
  if (a instanceof Double || b instanceof Double) return new Double(toDouble(a) - toDouble(b));
  return fromLong(BigInt(a) - BigInt(b));
}

export function multiply(a: Numeric, b: Numeric): Numeric {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    return Number.isSafeInteger(product) ? fromInt(product) : fromLong(BigInt(a) * BigInt(b));
  }
  if (a instanceof Decimal || b instanceof Decimal) return multiplyDecimals(toDecimal(a), toDecimal(b));
  if (a instanceof Double || b instanceof Double) return new Double(toDouble(a) * toDouble(b));
  return fromLong(BigInt(a) * BigInt(b));
}

/** Division leaves the integers: its result is a double, or a decimal if an operand is one. */
export function divide(a: Numeric, b: Numeric): Numeric {
  if (a instanceof Decimal || b instanceof Decimal) return divideDecimals(toDecimal(a), toDecimal(b));
  return new Double(toDouble(a) / toDouble(b));
}

/** The remainder, with the sign of the dividend. */
export function remainder(a: Numeric, b: Numeric): Numeric {
  if (a instanceof Decimal || b instanceof Decimal) return remainderDecimals(toDecimal(a), toDecimal(b));
  if (a instanceof Double || b instanceof Double) return new Double(toDouble(a) % toDouble(b));
  if (typeof a === 'number' && typeof b === 'number') return (a % b) | 0;
  return BigInt(a) % BigInt(b);
}

export function negate(a: Numeric): Numeric {
  if (a instanceof Decimal) return negateDecimal(a);
  if (a instanceof Double) return new Double(-a.value);
  return typeof a === 'number' ? fromInt(-a) : fromLong(-a);
}

export function toDecimal(value: Numeric): Decimal {
  if (value instanceof Decimal) return value;
  if (value instanceof Double) return Decimal.fromDouble(value.value);
  return Decimal.fromBigInt(BigInt(value));
}

const LONG_MAX = 2n ** 63n - 1n;
const LONG_MIN = -(2n ** 63n);

export function fitsLong(value: bigint): boolean {
  return value >= LONG_MIN && value <= LONG_MAX;
}

/** A whole number as Int32 where it fits, else as Int64. */
export function fromInt(value: number): Numeric {
  // Minus zero is no integer; `-0 | 0` makes it one.
  return (value | 0) === value ? value | 0 : BigInt(value);
}

function fromLong(value: bigint): Numeric {
  return fitsLong(value) ? value : new Double(Number(value));
}
