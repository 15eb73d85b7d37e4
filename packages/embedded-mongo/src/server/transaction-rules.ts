import { Doc } from '../bson/values.ts';
import type { CommandContext } from '../commands/context.ts';
import { ErrorCode, MongoError } from '../errors.ts';

/** Manual: core/transactions-operations, "Operations Supported in Multi-Document Transactions". */
const ALLOWED = new Set([
  'aggregate',
  'bulkWrite',
  'create',
  'createIndexes',
  'delete',
  'distinct',
  'find',
  'findAndModify',
  'findandmodify',
  'getMore',
  'insert',
  'killCursors',
  'update',
]);
const FORBIDDEN_STAGES = new Set([
  '$changeStream',
  '$collStats',
  '$currentOp',
  '$indexStats',
  '$listLocalSessions',
  '$listSessions',
  '$merge',
  '$out',
  '$planCacheStats',
]);
const LEVELS = new Set(['local', 'majority', 'snapshot']);

function refused(message: string): MongoError {
  return new MongoError(ErrorCode.OperationNotSupportedInTransaction, message);
}

function invalid(message: string): MongoError {
  return new MongoError(ErrorCode.InvalidOptions, message);
}

/** Refuses what MongoDB refuses in a transaction, before the transaction is touched. */
export function checkTransactionCommand({ name, command, database }: CommandContext): void {
  if (!ALLOWED.has(name)) {
    throw refused(
      name === 'count'
        ? "Cannot run 'count' in a multi-document transaction. Please see http://dochub.mongodb.org/core/transaction-count for a recommended alternative."
        : `Cannot run '${name}' in a multi-document transaction.`,
    );
  }
  const overCollection = typeof command.values[0] === 'string';
  if (['admin', 'config', 'local'].includes(database) && overCollection) {
    throw refused(`Cannot run command against the '${database}' database in a transaction.`);
  }
  if (name === 'aggregate') checkStages(command);
  if (command.has('writeConcern')) {
    throw invalid('writeConcern is not allowed within a multi-statement transaction');
  }
  const concern = command.get('readConcern');
  if (concern instanceof Doc) checkReadConcern(concern, command.get('startTransaction') === true);
}

function checkStages(command: Doc): void {
  if (command.get('explain') === true) throw refused("Cannot run 'explain' in a multi-document transaction.");
  const pipeline = command.get('pipeline');
  for (const stage of Array.isArray(pipeline) ? pipeline : []) {
    const stageName = stage instanceof Doc ? stage.keys[0] : undefined;
    if (stageName !== undefined && FORBIDDEN_STAGES.has(stageName)) {
      throw refused(
        `Operation not permitted in transaction :: caused by :: Aggregation stage ${stageName} cannot run within a multi-document transaction`,
      );
    }
  }
}

function checkReadConcern(concern: Doc, starts: boolean): void {
  if (!starts && concern.size > 0) {
    throw invalid('Only the first command in a transaction may specify a readConcern');
  }
  const level = concern.get('level');
  if (level !== undefined && !LEVELS.has(String(level))) {
    throw invalid(
      'The readConcern level must be either local (default), majority or snapshot in order to run in a transaction',
    );
  }
}
