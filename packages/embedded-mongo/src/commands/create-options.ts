import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue, ErrorCode, MongoError, typeMismatch } from '../errors.ts';
import { typeName } from '../query/types.ts';

function invalid(message: string): MongoError {
  return new MongoError(ErrorCode.InvalidOptions, message);
}

/** Checks what makes a collection capped, clustered or a time series, and puts it as `listCollections` shows it. */
export function collectionKindOptions(options: Doc): Doc {
  let checked = cappedOptions(options);
  if (checked.has('clusteredIndex')) {
    if (checked.has('capped')) throw invalid("The 'clusteredIndex' option cannot be used with the 'capped' option");
    checked = checked.with('clusteredIndex', clusteredIndex(checked.get('clusteredIndex') as Value));
  }
  if (checked.has('timeseries')) {
    for (const other of ['capped', 'clusteredIndex', 'viewOn', 'validator']) {
      if (checked.has(other)) {
        throw invalid(`'timeseries' is not allowed with '${other}'`);
      }
    }
    checked = checked.with('timeseries', timeSeries(checked.get('timeseries') as Value));
  }
  const expiry = checked.get('expireAfterSeconds');
  if (expiry === undefined) return checked;
  if (!checked.has('timeseries') && !checked.has('clusteredIndex')) {
    throw invalid(
      "'expireAfterSeconds' is only supported on time-series collections or when the 'clusteredIndex' option is specified",
    );
  }
  return checked.with('expireAfterSeconds', BigInt(seconds('expireAfterSeconds', expiry, 0)));
}

const MIN_SIZE = 4096;
const MAX_SIZE = 2 ** 50;
/** Sizes are rounded up to a multiple of this. */
const SIZE_UNIT = 256;

/** Manual: core/capped-collections. */
export function cappedSize(given: Value | undefined): number {
  const size = isNumeric(given) ? toDouble(given) : Number.NaN;
  if (Number.isNaN(size)) {
    throw typeMismatch(`BSON field 'size' is the wrong type '${given === undefined ? 'missing' : typeName(given)}'`);
  }
  if (!(size >= 1 && size <= MAX_SIZE)) {
    throw new MongoError(51024, `BSON field 'size' value must be >= 1 and <= ${MAX_SIZE}, actual value '${size}'`);
  }
  return Math.max(MIN_SIZE, Math.ceil(size / SIZE_UNIT) * SIZE_UNIT);
}

function cappedOptions(options: Doc): Doc {
  if (options.get('capped') !== true) {
    if (options.has('size') || options.has('max')) {
      throw invalid("the 'capped' field needs to be true when either the 'size' or 'max' fields are present");
    }
    return options.without('capped');
  }
  if (options.has('viewOn')) throw invalid("'capped' is not allowed with 'viewOn'");
  if (!options.has('size')) throw invalid("the 'size' field is required when 'capped' is true");
  const checked = options.with('size', cappedSize(options.get('size')));
  const max = options.get('max');
  if (max === undefined) return checked;
  if (!isNumeric(max)) throw typeMismatch(`BSON field 'create.max' is the wrong type '${typeName(max)}'`);
  if (toDouble(max) >= 2 ** 31) throw badValue('max in a capped collection has to be < 2^31 or not set');
  return toDouble(max) > 0 ? checked : checked.without('max');
}

/** Manual: core/clustered-collections. */
function clusteredIndex(given: Value): Doc {
  if (!(given instanceof Doc)) throw typeMismatch("BSON field 'create.clusteredIndex' has to be an object");
  const key = given.get('key');
  if (!(key instanceof Doc)) throw new MongoError(40414, "BSON field 'create.clusteredIndex.key' is missing");
  for (const name of given.keys) {
    if (['v', 'key', 'name', 'unique'].includes(name)) continue;
    throw new MongoError(40415, `BSON field 'create.clusteredIndex.${name}' is an unknown field.`);
  }
  const direction = key.get('_id');
  if (key.size !== 1 || !isNumeric(direction) || toDouble(direction) !== 1) {
    throw new MongoError(
      ErrorCode.InvalidIndexSpecificationOption,
      'The clusteredIndex option is only supported for key: {_id: 1}',
    );
  }
  if (given.get('unique') !== true) {
    throw new MongoError(5979700, 'The clusteredIndex option requires unique: true to be specified');
  }
  const name = given.get('name') ?? '_id_';
  if (typeof name !== 'string') throw typeMismatch("BSON field 'create.clusteredIndex.name' has to be a string");
  return Doc.of({ v: 2, key: Doc.of({ _id: 1 }), name, unique: true });
}

/** The longest span of a bucket for each granularity (manual: core/timeseries/timeseries-granularity). */
const SPANS: Record<string, number> = { seconds: 3600, minutes: 86_400, hours: 2_592_000 };
const TIME_SERIES_FIELDS = ['timeField', 'metaField', 'granularity', 'bucketMaxSpanSeconds', 'bucketRoundingSeconds'];

/** Manual: core/timeseries/timeseries-procedures. */
function timeSeries(given: Value): Doc {
  if (!(given instanceof Doc)) throw typeMismatch("BSON field 'create.timeseries' has to be an object");
  for (const name of given.keys) {
    if (TIME_SERIES_FIELDS.includes(name)) continue;
    throw new MongoError(40415, `BSON field 'create.timeseries.${name}' is an unknown field.`);
  }
  const timeField = fieldName(given, 'timeField');
  if (timeField === undefined) {
    throw new MongoError(40414, "BSON field 'create.timeseries.timeField' is missing but a required field");
  }
  const metaField = fieldName(given, 'metaField');
  if (metaField === '_id') throw invalid('The field \'metaField\' cannot be "_id"');
  if (metaField === timeField) throw invalid("The field 'metaField' cannot be the same as the 'timeField'");
  const span = given.get('bucketMaxSpanSeconds');
  const rounding = given.get('bucketRoundingSeconds');
  if (span !== undefined || rounding !== undefined) {
    const spanSeconds = span === undefined ? Number.NaN : seconds('bucketMaxSpanSeconds', span, 1);
    const roundingSeconds = rounding === undefined ? Number.NaN : seconds('bucketRoundingSeconds', rounding, 1);
    if (spanSeconds !== roundingSeconds) {
      throw invalid('Timeseries bucketMaxSpanSeconds and bucketRoundingSeconds need to be set to equal values');
    }
    if (!given.has('granularity')) {
      return Doc.of({ timeField, metaField, bucketRoundingSeconds: spanSeconds, bucketMaxSpanSeconds: spanSeconds });
    }
    throw invalid('Timeseries granularity cannot be set together with bucketMaxSpanSeconds');
  }
  const granularity = given.get('granularity') ?? 'seconds';
  const bucketMaxSpanSeconds = SPANS[String(granularity)];
  if (bucketMaxSpanSeconds === undefined) {
    throw badValue(
      `Enumeration value '${String(granularity)}' for field 'create.timeseries.granularity' is not a valid value.`,
    );
  }
  return Doc.of({ timeField, metaField, granularity, bucketMaxSpanSeconds });
}

function fieldName(options: Doc, name: string): string | undefined {
  const value = options.get(name);
  if (value === undefined) return undefined;
  if (typeof value !== 'string') {
    throw typeMismatch(`BSON field 'create.timeseries.${name}' is the wrong type '${typeName(value)}'`);
  }
  if (value === '' || value.startsWith('$') || value.includes('.')) {
    throw invalid(`'${name}' must be a top-level field and not start with '$'`);
  }
  return value;
}

function seconds(name: string, value: Value, least: number): number {
  const number = isNumeric(value) ? toDouble(value) : Number.NaN;
  if (Number.isInteger(number) && number >= least) return number;
  throw invalid(`'${name}' has to be a whole number of at least ${least}`);
}
