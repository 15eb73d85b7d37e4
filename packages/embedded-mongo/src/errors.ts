import { Doc, Double, type Value } from './bson/values.ts';
import { OTHER_NAMES } from './error-names.ts';

/**
 * The codes of MongoDB's `error_codes.yml` that this server answers with.
 * Drivers and ODMs decide by these numbers, so they are part of the contract.
 */
export const ErrorCode = {
  InternalError: 1,
  BadValue: 2,
  NoSuchKey: 4,
  UserNotFound: 11,
  Unauthorized: 13,
  TypeMismatch: 14,
  FailedToParse: 9,
  IllegalOperation: 20,
  NamespaceNotFound: 26,
  IndexNotFound: 27,
  PathNotViable: 28,
  ConflictingUpdateOperators: 40,
  CursorNotFound: 43,
  NamespaceExists: 48,
  MaxTimeMSExpired: 50,
  DollarPrefixedFieldName: 52,
  InvalidIdField: 53,
  NotSingleValueField: 54,
  CommandNotFound: 59,
  ImmutableField: 66,
  CannotCreateIndex: 67,
  CannotConvertIndexToUnique: 359,
  InvalidOptions: 72,
  InvalidNamespace: 73,
  IndexOptionsConflict: 85,
  IndexKeySpecsConflict: 86,
  OperationFailed: 96,
  WriteConflict: 112,
  CommandNotSupported: 115,
  DocumentValidationFailure: 121,
  ConversionFailure: 241,
  NoSuchTransaction: 251,
  TransactionCommitted: 256,
  TransactionTooOld: 225,
  OperationNotSupportedInTransaction: 263,
  ConflictingOperationInProgress: 117,
  CommandFailed: 125,
  CursorKilled: 237,
  SnapshotTooOld: 239,
  SnapshotUnavailable: 246,
  ChangeStreamFatalError: 280,
  ChangeStreamHistoryLost: 286,
  InvalidResumeToken: 260,
  NoMatchingDocument: 47,
  InvalidPipelineOperator: 168,
  CommandOnShardedViewNotSupportedOnMongod: 169,
  InvalidIndexSpecificationOption: 197,
  NotImplemented: 238,
  CommandNotSupportedOnView: 166,
  ViewDepthLimitExceeded: 165,
  OptionNotSupportedOnView: 167,
  Overflow: 15,
  InvalidLength: 16,
  ExceededMemoryLimit: 146,
  QueryExceededMemoryLimitNoDiskUseAllowed: 292,
  BSONObjectTooLarge: 10334,
  NoQueryExecutionPlans: 291,
  CappedPositionLost: 136,
  QueryPlanKilled: 175,
  DuplicateKey: 11000,
  SearchNotEnabled: 31082,
  Interrupted: 11601,
  FailPointSetFailed: 266,
  UnsatisfiableWriteConcern: 100,
  UnknownReplWriteConcern: 79,
  APIVersionError: 322,
  APIStrictError: 323,
  APIDeprecationError: 324,
} as const;

const names = new Map<number, string>(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

export function codeNameOf(code: number): string {
  return names.get(code) ?? OTHER_NAMES.get(code) ?? `Location${code}`;
}

/** The label by which a driver knows that the whole transaction may be tried again. */
export const TRANSIENT = 'TransientTransactionError';

/** A transaction met another one's change. */
export function writeConflict(): MongoError {
  return new MongoError(
    ErrorCode.WriteConflict,
    'Caused by :: Write conflict during plan execution and yielding is disabled. :: Please retry your operation or multi-document transaction.',
    {},
    [TRANSIENT],
  );
}

/** What a MongoDB answers that has no search server beside it. */
export function searchNotEnabled(name: string): MongoError {
  return new MongoError(
    ErrorCode.SearchNotEnabled,
    `Using ${name} requires additional configuration: a search server, as MongoDB Atlas has beside it`,
  );
}

/** After these a change stream cannot go on (specification: change-streams, "Resumable Error"). */
const NON_RESUMABLE = new Set<number>([ErrorCode.ChangeStreamFatalError, ErrorCode.ChangeStreamHistoryLost]);

/** An error that the client is to see: it becomes `{ok: 0, code, codeName, errmsg}` or a write error. */
export class MongoError extends Error {
  readonly code: number;
  /** Further fields of the reply, such as `keyPattern` and `keyValue` of a duplicate key. */
  readonly info: Record<string, Value>;
  readonly labels: readonly string[];

  constructor(code: number, message: string, info: Record<string, Value> = {}, labels: readonly string[] = []) {
    super(message);
    this.code = code;
    this.info = info;
    this.labels = NON_RESUMABLE.has(code) ? [...labels, 'NonResumableChangeStreamError'] : labels;
  }

  /** Whether the transaction in which it happened is over, so that not even a single statement can report it. */
  get endsTransaction(): boolean {
    return this.labels.includes(TRANSIENT);
  }

  /** MongoDB names the errors without an entry in its table by their number, as `Location40414`. */
  get codeName(): string {
    return codeNameOf(this.code);
  }

  toReply(): Doc {
    return Doc.of({
      ok: new Double(0),
      errmsg: this.message,
      code: this.code,
      codeName: this.codeName,
      ...this.info,
      ...(this.labels.length > 0 ? { errorLabels: [...this.labels] } : {}),
    });
  }
}

/** Any thrown thing as the error a client sees; what is no {@link MongoError} is a fault of this server. */
export function toMongoError(error: unknown): MongoError {
  if (error instanceof MongoError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new MongoError(ErrorCode.InternalError, message);
}

export function badValue(message: string): MongoError {
  return new MongoError(ErrorCode.BadValue, message);
}

export function failedToParse(message: string): MongoError {
  return new MongoError(ErrorCode.FailedToParse, message);
}

export function typeMismatch(message: string): MongoError {
  return new MongoError(ErrorCode.TypeMismatch, message);
}
