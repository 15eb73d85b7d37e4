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

/** Mongoose queues commands while it is not connected, and gives up with a plain error. */
const BUFFERING = /buffering timed out|before initial connection is complete|initial connection is closed/i;

/** Is the database out of reach, so that repeating later may help? The causes of an error are asked too. */
export function isDatabaseUnreachable(error: unknown): boolean {
  for (let current = error, depth = 0; current instanceof Error && depth < 8; current = current.cause, depth += 1) {
    if (UNREACHABLE.has(current.name) || REPEATABLE_LABELS.some((label) => hasLabel(current, label))) {
      return true;
    }
    if (current.name === 'MongooseError' && BUFFERING.test(current.message)) {
      return true;
    }
  }
  return false;
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
  return { path, message: typeof cause['message'] === 'string' ? cause['message'] : 'Invalid value' };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
