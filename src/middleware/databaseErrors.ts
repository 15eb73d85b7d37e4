import type { FieldError } from '../domain/errors.ts';

/**
 * Errors of Mongoose and its driver, known by their stable names: the edge need not load either.
 * https://mongodb.github.io/node-mongodb-native/7.0/classes/MongoError.html
 */
const UNREACHABLE = new Set([
  'MongoServerSelectionError',
  'MongooseServerSelectionError',
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoPoolClearedError',
  'MongoPoolClosedError',
  'MongoWaitQueueTimeoutError',
  'MongoNotConnectedError',
  'MongoTopologyClosedError',
  'MongoClientClosedError',
  'MongoServerClosedError',
  'MongoOperationTimeoutError',
  'MongoWriteConcernError',
]);

/** Labels by which a server says that the same command may be sent again. */
const REPEATABLE_LABELS = ['RetryableWriteError', 'TransientTransactionError', 'SystemOverloadedError'];

/**
 * Codes of a server that steps down, shuts down or cannot be reached: a read that meets them twice carries no label.
 * https://github.com/mongodb/specifications/blob/master/source/retryable-reads/retryable-reads.md#retryable-error
 */
const REPEATABLE_CODES = new Set([6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]);

/** Mongoose queues commands while it is not connected, and gives up with a plain error. */
const BUFFERING = /buffering timed out|before initial connection is complete|initial connection is closed/i;

/** Is the database out of reach, so that repeating later may help? The causes of an error are asked too. */
export function isDatabaseUnreachable(error: unknown): boolean {
  for (let current = error, depth = 0; current instanceof Error && depth < 8; current = current.cause, depth += 1) {
    if (UNREACHABLE.has(current.name) || isRepeatable(current)) {
      return true;
    }
    if (current.name === 'MongooseError' && BUFFERING.test(current.message)) {
      return true;
    }
  }
  return false;
}

function isRepeatable(error: Error): boolean {
  if (REPEATABLE_LABELS.some((label) => hasLabel(error, label))) return true;
  return error.name === 'MongoServerError' && 'code' in error && REPEATABLE_CODES.has(Number(error.code));
}

function hasLabel(error: unknown, label: string): boolean {
  return (
    error instanceof Error &&
    'errorLabels' in error &&
    Array.isArray(error.errorLabels) &&
    error.errorLabels.includes(label)
  );
}

/**
 * The fields that a model refused, or null when the error is something else. Mongoose's own texts quote the value,
 * which may be a whole document: the field is named, the value is not.
 */
export function refusedFields(error: Error): FieldError[] | null {
  if (error.name === 'CastError') {
    return [fieldError(error)];
  }
  if (error.name !== 'ValidationError' || !('errors' in error) || !isRecord(error.errors)) {
    return null;
  }
  return Object.entries(error.errors).map(([path, cause]) => ({ ...fieldError(cause), path }));
}

function fieldError(cause: unknown): FieldError {
  if (!isRecord(cause)) {
    return { path: '', message: 'Invalid value' };
  }
  const path = typeof cause['path'] === 'string' ? cause['path'] : '';
  if (cause['name'] === 'CastError') {
    return { path, message: `Invalid value: expected ${String(cause['kind'])}` };
  }
  return { path, message: MEANING_OF_KIND[String(cause['kind'])] ?? 'Invalid value' };
}

/** https://mongoosejs.com/docs/validation.html#built-in-validators */
const MEANING_OF_KIND: Readonly<Record<string, string>> = {
  required: 'Required',
  enum: 'Invalid option',
  min: 'Too small',
  max: 'Too big',
  minlength: 'Too short',
  maxlength: 'Too long',
  regexp: 'Invalid format',
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
