import { Doc } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';

/** Manual: reference/stable-api, "Commands". */
const VERSION_1 = new Set([
  'abortTransaction',
  'aggregate',
  'bulkWrite',
  'collMod',
  'commitTransaction',
  'count',
  'create',
  'createIndexes',
  'delete',
  'drop',
  'dropDatabase',
  'dropIndexes',
  'endSessions',
  'explain',
  'find',
  'findAndModify',
  'getMore',
  'hello',
  'insert',
  'killCursors',
  'listCollections',
  'listDatabases',
  'listIndexes',
  'ping',
  'refreshSessions',
  'testDeprecation',
  'testVersions1And2',
  'update',
]);
const DEPRECATED = new Set(['testDeprecation']);
const UNSTABLE_STAGES = new Set([
  '$currentOp',
  '$indexStats',
  '$listLocalSessions',
  '$listSessions',
  '$planCacheStats',
  '$search',
]);
const UNSTABLE_FIND = [
  'awaitData',
  'max',
  'min',
  'noCursorTimeout',
  'oplogReplay',
  'returnKey',
  'showRecordId',
  'tailable',
];

function strict(message: string): MongoError {
  return new MongoError(ErrorCode.APIStrictError, message);
}

/** Manual: reference/stable-api, "Parameters". */
export function checkApiVersion(name: string, command: Doc, required: boolean): void {
  const version = command.get('apiVersion');
  if (version === undefined) {
    if (command.has('apiStrict') || command.has('apiDeprecationErrors')) {
      throw new MongoError(4886600, 'Provided apiStrict and/or apiDeprecationErrors without passing apiVersion');
    }
    if (!required) return;
    throw new MongoError(
      498870,
      "The apiVersion parameter is required, please configure your MongoClient's API version",
    );
  }
  if (version !== '1') throw new MongoError(ErrorCode.APIVersionError, 'API version must be "1"');
  if (command.get('apiDeprecationErrors') === true && DEPRECATED.has(name)) {
    throw new MongoError(
      ErrorCode.APIDeprecationError,
      `Provided apiDeprecationErrors:true, but the command ${name} is deprecated in API Version 1`,
    );
  }
  if (command.get('apiStrict') === true) checkStrict(name, command);
}

function checkStrict(name: string, command: Doc): void {
  if (!VERSION_1.has(name)) {
    throw strict(
      `Provided apiStrict:true, but the command ${name} is not in API Version 1. Information on supported commands and migrations in API Version 1 can be found at https://dochub.mongodb.org/core/manual-versioned-api`,
    );
  }
  const field = name === 'find' ? UNSTABLE_FIND.find((option) => command.has(option)) : undefined;
  if (field !== undefined) {
    throw strict(`BSON field 'find.${field}' is not allowed with apiStrict:true.`);
  }
  const pipeline = name === 'aggregate' ? command.get('pipeline') : undefined;
  for (const stage of Array.isArray(pipeline) ? pipeline : []) {
    const stageName = stage instanceof Doc ? (stage.keys[0] ?? '') : '';
    const counts = stage instanceof Doc && stage.values[0] instanceof Doc ? stage.values[0].keys : [];
    const unstable =
      stageName === '$collStats' ? counts.some((key) => key !== 'count') : UNSTABLE_STAGES.has(stageName);
    if (unstable) throw strict(`stage ${stageName} is not allowed with 'apiStrict: true' in API Version 1`);
  }
}
