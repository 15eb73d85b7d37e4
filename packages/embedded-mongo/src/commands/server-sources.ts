import { Doc, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError, typeMismatch } from '../errors.ts';
import type { CommandContext } from './context.ts';
import { runningOperations } from './current-op.ts';

/** Stages that show the server itself; they stand first in a pipeline of `{aggregate: 1}`. */
export function serverSource(context: CommandContext, namespace: string, stage: string, operand: Value): Doc[] {
  if (!namespace.endsWith('.$cmd.aggregate')) {
    throw new MongoError(
      ErrorCode.InvalidNamespace,
      `${stage} must be run against the database with {aggregate: 1}, not a collection`,
    );
  }
  if (stage === '$listLocalSessions') return sessionsOf(context, operand, stage);
  if (context.database !== 'admin') {
    throw new MongoError(
      ErrorCode.InvalidNamespace,
      "$currentOp must be run against the 'admin' database with {aggregate: 1}",
    );
  }
  if (!(operand instanceof Doc)) throw new MongoError(ErrorCode.FailedToParse, '$currentOp options must be an object');
  return runningOperations(context);
}

/** Manual: reference/operator/aggregation/listLocalSessions. There are no users: all sessions are the caller's own. */
export function sessionsOf({ engine }: CommandContext, operand: Value, stage: string): Doc[] {
  if (!(operand instanceof Doc)) throw typeMismatch(`${stage} options must be an object`);
  for (const key of operand.keys) {
    if (key !== 'allUsers' && key !== 'users') {
      throw new MongoError(40415, `BSON field '${stage}.${key}' is an unknown field.`);
    }
  }
  return engine.sessions.list();
}
