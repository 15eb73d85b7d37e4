import { encodeDocument } from '../bson/encode.ts';
import { Doc, Regex } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';

const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/** Beyond this no BSON is read at all. */
const MAX_BSON_BYTES = MAX_DOCUMENT_BYTES + 16 * 1024;

export function insertTooLarge(size: number): MongoError {
  if (size > MAX_BSON_BYTES) {
    return new MongoError(
      ErrorCode.BSONObjectTooLarge,
      `BSONObj size: ${size} (0x${size.toString(16).toUpperCase()}) is invalid. Size must be between 0 and ${MAX_BSON_BYTES}(16MB)`,
    );
  }
  return new MongoError(
    ErrorCode.BadValue,
    `object to insert too large. size in bytes: ${size}, max size: ${MAX_DOCUMENT_BYTES}`,
  );
}

export function updateTooLarge(): MongoError {
  return new MongoError(17419, `Resulting document after update is larger than ${MAX_DOCUMENT_BYTES}`);
}

/** Manual: reference/limits, "BSON Documents". The manual promises 100 levels; the server takes 180. */
const MAX_NESTING = 180;

/** Its length, its end, and the type and the end of the name of what is within. A document of fewer bytes has no room for so many levels. */
const LEAST_BYTES_OF_LEVEL = 7;

/** The fields of a DBRef (manual: reference/database-references) are the only ones with a dollar sign that an `_id` may have. */
const REFERENCE = new Set(['$ref', '$id', '$db']);

export function checkStorable(doc: Doc, tooLarge: (size: number) => MongoError): void {
  const id = doc.get('_id');
  if (Array.isArray(id)) {
    throw new MongoError(ErrorCode.InvalidIdField, "The '_id' value cannot be of type array");
  }
  if (id instanceof Regex) {
    throw new MongoError(ErrorCode.InvalidIdField, "The '_id' value cannot be of type regex");
  }
  const dollar = id instanceof Doc ? id.keys.find((key) => key.startsWith('$') && !REFERENCE.has(key)) : undefined;
  if (dollar !== undefined) {
    throw new MongoError(
      ErrorCode.DollarPrefixedFieldName,
      `_id fields may not contain '$'-prefixed fields: ${dollar} is not valid for storage.`,
    );
  }
  const size = encodeDocument(doc).length;
  if (size > MAX_DOCUMENT_BYTES) throw tooLarge(size);
  if (size > MAX_NESTING * LEAST_BYTES_OF_LEVEL && doc.height > MAX_NESTING) {
    throw new MongoError(ErrorCode.Overflow, `Document exceeds maximum nesting depth of ${MAX_NESTING}`);
  }
}
