import { Decimal128 } from 'bson';

/** Decimal128 has 34 significant digits and exponents from -6176 to 6111 (IEEE 754-2008, BID encoding). */
const DIGITS = 34;
const MIN_EXPONENT = -6176;
const MAX_EXPONENT = 6111;
const LIMIT = 10n ** 34n;

/** coefficient * 10^exponent, of any precision: the exact value of every finite number that BSON can hold. */
export interface Exact {
  readonly coefficient: bigint;
  readonly exponent: number;
}

/**
 * A Decimal128. `special` is set for the values that have no coefficient; a finite value keeps its exponent, because
 * `1.0` and `1.00` are equal and yet print differently.
 */
export class Decimal {
  readonly coefficient: bigint;
  readonly exponent: number;
  readonly special: 'NaN' | 'Infinity' | '-Infinity' | undefined;

  constructor(coefficient: bigint, exponent: number, special?: 'NaN' | 'Infinity' | '-Infinity') {
    this.coefficient = coefficient;
    this.exponent = exponent;
    this.special = special;
  }

  static readonly NaN = new Decimal(0n, 0, 'NaN');
  static readonly Infinity = new Decimal(0n, 0, 'Infinity');
  static readonly NegativeInfinity = new Decimal(0n, 0, '-Infinity');

  static parse(text: string): Decimal {
    return Decimal.fromBytes(Decimal128.fromString(text).bytes);
  }

  static fromBytes(bytes: Uint8Array): Decimal {
    const text = new Decimal128(bytes).toString();
    if (text === 'NaN' || text === '-NaN') return Decimal.NaN;
    if (text === 'Infinity') return Decimal.Infinity;
    if (text === '-Infinity') return Decimal.NegativeInfinity;
    const match = /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]?\d+))?$/.exec(text);
    if (match === null) return Decimal.NaN;
    const fraction = match[3] ?? '';
    const digits = BigInt((match[2] ?? '0') + fraction);
    return new Decimal(match[1] === '-' ? -digits : digits, Number(match[4] ?? 0) - fraction.length);
  }

  static fromBigInt(value: bigint): Decimal {
    return round({ coefficient: value, exponent: 0 });
  }

  /** MongoDB converts a double to a decimal with 15 significant digits (`$toDecimal`, mixed arithmetic). */
  static fromDouble(value: number): Decimal {
    if (Number.isNaN(value)) return Decimal.NaN;
    if (value === Number.POSITIVE_INFINITY) return Decimal.Infinity;
    if (value === Number.NEGATIVE_INFINITY) return Decimal.NegativeInfinity;
    if (Number.isSafeInteger(value)) return new Decimal(BigInt(value), 0);
    return Decimal.parse(value.toPrecision(15));
  }

  get isNaN(): boolean {
    return this.special === 'NaN';
  }

  get isZero(): boolean {
    return this.special === undefined && this.coefficient === 0n;
  }

  get bytes(): Uint8Array {
    return Decimal128.fromString(this.toString()).bytes;
  }

  toNumber(): number {
    return this.special === undefined ? Number(`${this.coefficient}e${this.exponent}`) : Number(this.special);
  }

  toString(): string {
    if (this.special !== undefined) return this.special;
    const negative = this.coefficient < 0n;
    const digits = (negative ? -this.coefficient : this.coefficient).toString();
    const sign = negative ? '-' : '';
    const scientific = this.exponent + digits.length - 1;
    if (this.exponent > 0 || scientific < -6) {
      const mantissa = digits.length > 1 ? `${digits[0]}.${digits.slice(1)}` : digits;
      return `${sign}${mantissa}E${scientific >= 0 ? '+' : ''}${scientific}`;
    }
    if (this.exponent === 0) return sign + digits;
    const padded = digits.padStart(1 - this.exponent, '0');
    return `${sign}${padded.slice(0, this.exponent)}.${padded.slice(this.exponent)}`;
  }
}

/** Half-even rounding to 34 digits, then to the range of the exponent. */
export function round(value: Exact): Decimal {
  let { coefficient, exponent } = value;
  const length = digitCount(coefficient);
  const drop = Math.max(length - DIGITS, MIN_EXPONENT - exponent, 0);
  if (drop > 0) {
    coefficient = divideHalfEven(coefficient, 10n ** BigInt(drop));
    exponent += drop;
    if (coefficient === LIMIT || coefficient === -LIMIT) {
      coefficient /= 10n;
      exponent += 1;
    }
  }
  if (coefficient === 0n) return new Decimal(0n, Math.min(Math.max(exponent, MIN_EXPONENT), MAX_EXPONENT));
  if (exponent > MAX_EXPONENT) {
    const room = DIGITS - digitCount(coefficient);
    if (exponent - MAX_EXPONENT > room) return coefficient < 0n ? Decimal.NegativeInfinity : Decimal.Infinity;
    coefficient *= 10n ** BigInt(exponent - MAX_EXPONENT);
    exponent = MAX_EXPONENT;
  }
  return new Decimal(coefficient, exponent);
}

export function digitCount(value: bigint): number {
  return value === 0n ? 1 : (value < 0n ? -value : value).toString().length;
}

function divideHalfEven(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  const rest = value % divisor;
  const twice = (rest < 0n ? -rest : rest) * 2n;
  if (twice < divisor || (twice === divisor && quotient % 2n === 0n)) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}

export function addDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.special !== undefined || b.special !== undefined) return Decimal.fromDouble(a.toNumber() + b.toNumber());
  return round(addExact(a, b));
}

export function negateDecimal(a: Decimal): Decimal {
  if (a.special === 'NaN') return a;
  if (a.special !== undefined) return a.special === 'Infinity' ? Decimal.NegativeInfinity : Decimal.Infinity;
  return new Decimal(-a.coefficient, a.exponent);
}

export function multiplyDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.special !== undefined || b.special !== undefined) return Decimal.fromDouble(sign(a) * sign(b));
  return round({ coefficient: a.coefficient * b.coefficient, exponent: a.exponent + b.exponent });
}

/** The sign as a double, infinite where the value is: enough to find out what a special operand leads to. */
function sign(a: Decimal): number {
  return a.special === undefined ? Math.sign(Number(a.coefficient)) : a.toNumber();
}

export function divideDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.special !== undefined || b.special !== undefined || b.coefficient === 0n) {
    if (a.special === undefined && b.special !== undefined && !b.isNaN) return new Decimal(0n, 0);
    return Decimal.fromDouble(sign(a) / sign(b));
  }
  const scale = DIGITS + 2 + Math.max(0, digitCount(b.coefficient) - digitCount(a.coefficient));
  const numerator = a.coefficient * 10n ** BigInt(scale);
  let coefficient = numerator / b.coefficient;
  let exponent = a.exponent - b.exponent - scale;
  if (numerator % b.coefficient !== 0n) {
    // A sticky digit keeps the half-even rounding right where the quotient does not end.
    coefficient = coefficient * 10n + (coefficient < 0n ? -1n : 1n);
    exponent -= 1;
    return round({ coefficient, exponent });
  }
  // An exact quotient takes the exponent nearest to the ideal one, as IEEE 754 asks.
  const ideal = a.exponent - b.exponent;
  while (exponent < ideal && coefficient % 10n === 0n) {
    coefficient /= 10n;
    exponent += 1;
  }
  return round({ coefficient, exponent });
}

export function remainderDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.special !== undefined || b.isNaN || b.isZero) return Decimal.NaN;
  if (b.special !== undefined) return a;
  const exponent = Math.min(a.exponent, b.exponent);
  return round({ coefficient: atExponent(a, exponent) % atExponent(b, exponent), exponent });
}

function atExponent(value: Exact, exponent: number): bigint {
  return value.coefficient * 10n ** BigInt(value.exponent - exponent);
}

export function addExact(a: Exact, b: Exact): Exact {
  const exponent = Math.min(a.exponent, b.exponent);
  return { coefficient: atExponent(a, exponent) + atExponent(b, exponent), exponent };
}

/** A finite double as an exact decimal: every binary fraction has a finite decimal expansion. */
export function exactOfDouble(value: number): Exact {
  if (Number.isInteger(value)) return { coefficient: BigInt(value), exponent: 0 };
  let mantissa = value;
  let halvings = 0;
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2;
    halvings += 1;
  }
  return { coefficient: BigInt(mantissa) * 5n ** BigInt(halvings), exponent: -halvings };
}

export function compareExact(a: Exact, b: Exact): number {
  const exponent = Math.min(a.exponent, b.exponent);
  const x = atExponent(a, exponent);
  const y = atExponent(b, exponent);
  return x < y ? -1 : x > y ? 1 : 0;
}
