import { Binary, Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue, ErrorCode, MongoError } from '../errors.ts';
import { typeName } from '../query/types.ts';

/** How `$convert` writes binary data as text (manual: reference/operator/aggregation/convert, "format"). */
const FORMATS = ['base64', 'base64url', 'utf8', 'hex', 'uuid', 'auto'] as const;
type Format = (typeof FORMATS)[number];

const UUID_SUBTYPE = 4;
const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function formatOf(value: Value | undefined): Format {
  const format = FORMATS.find((known) => known === value);
  if (format === undefined) throw badValue(`$convert requires 'format' to be one of ${FORMATS.join(', ')}`);
  return format;
}

function failed(from: string, to: string, why: string): MongoError {
  return new MongoError(
    ErrorCode.ConversionFailure,
    `Failed to convert ${from} to ${to} in $convert with no onError value: ${why}`,
  );
}

export function textOfBinary({ bytes, subtype }: Binary, format: Format): string {
  const buffer = Buffer.from(bytes);
  const isUuid = subtype === UUID_SUBTYPE && bytes.length === 16;
  switch (format) {
    case 'hex':
      return buffer.toString('hex').toUpperCase();
    case 'utf8': {
      const text = buffer.toString('utf8');
      if (!Buffer.from(text, 'utf8').equals(buffer)) throw failed('binData', 'string', 'the bytes are no UTF-8');
      return text;
    }
    case 'base64url':
      return buffer.toString('base64url');
    case 'auto':
      return isUuid ? uuidText(buffer) : buffer.toString('base64');
    case 'uuid':
      if (!isUuid) throw failed('binData', 'string', 'only subtype 4 has the format uuid');
      return uuidText(buffer);
    default:
      return buffer.toString('base64');
  }
}

function uuidText(buffer: Buffer): string {
  return buffer.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** The subtype that `to: {type, subtype}` asks for. */
export function subtypeOf(to: Value | undefined): number {
  const subtype = to instanceof Doc ? (to.get('subtype') ?? 0) : 0;
  const number = isNumeric(subtype) ? toDouble(subtype) : Number.NaN;
  if (!Number.isInteger(number) || number < 0 || number > 255)
    throw badValue('In $convert, numeric value for subtype is out of range');
  return number;
}

export function binaryFrom(value: Value, format: Format, subtype: number): Binary {
  if (value instanceof Binary) {
    if (value.subtype === subtype) return value;
    throw failed('binData', 'binData', 'conversions between subtypes are not supported');
  }
  if (typeof value !== 'string') throw failed(typeName(value), 'binData', 'unsupported conversion');
  const isUuidSubtype = subtype === UUID_SUBTYPE;
  if (format === 'uuid' || (format === 'auto' && isUuidSubtype)) {
    if (!isUuidSubtype) throw failed('string', 'binData', 'the format uuid needs subtype 4');
    if (!UUID_TEXT.test(value)) throw failed('string', 'binData', `Input string is not a valid UUID: ${value}`);
    return new Binary(Buffer.from(value.replaceAll('-', ''), 'hex'), subtype);
  }
  if (isUuidSubtype) throw failed('string', 'binData', 'subtype 4 needs the format uuid');
  const patterns: Record<string, RegExp> = {
    base64: /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
    base64url: /^[A-Za-z0-9_-]*={0,2}$/,
    hex: /^([0-9a-fA-F]{2})*$/,
  };
  const encoding = format === 'auto' ? 'base64' : format;
  if (patterns[encoding]?.test(value) === false)
    throw failed('string', 'binData', `Input is not a valid ${encoding} string`);
  return new Binary(Buffer.from(value, encoding), subtype);
}
