import { Doc, Timestamp } from '../bson/values.ts';
import { badValue, ErrorCode, MongoError, typeMismatch } from '../errors.ts';

const LEVELS = ['available', 'linearizable', 'local', 'majority', 'snapshot'];
/** Manual: reference/read-concern-snapshot, "Read Concern and atClusterTime". */
const SNAPSHOT_COMMANDS = ['aggregate', 'distinct', 'find'];

function invalid(message: string): MongoError {
  return new MongoError(ErrorCode.InvalidOptions, message);
}

/** What a command asks of the moment that it reads. */
export interface ReadConcern {
  readonly snapshot: boolean;
  readonly atClusterTime: Timestamp | undefined;
}
const NONE: ReadConcern = { snapshot: false, atClusterTime: undefined };

/** Manual: reference/read-concern. There is one member, so that all levels but `snapshot` read the same. */
export function readConcernOf(command: Doc): ReadConcern {
  const concern = command.get('readConcern');
  if (concern === undefined || concern === null) return NONE;
  if (!(concern instanceof Doc)) throw typeMismatch("'readConcern' has to be an object");
  const level = concern.get('level') ?? 'local';
  if (typeof level !== 'string' || !LEVELS.includes(level)) {
    throw badValue(`Enumeration value '${String(level)}' for field 'readConcern.level' is not a valid value.`);
  }
  const atClusterTime = concern.get('atClusterTime');
  const snapshot = level === 'snapshot';
  if (atClusterTime === undefined) return snapshot ? { snapshot, atClusterTime } : NONE;
  if (!(atClusterTime instanceof Timestamp)) throw typeMismatch("'readConcern.atClusterTime' has to be a timestamp");
  if (!snapshot) throw invalid("readConcern level 'snapshot' is required when specifying atClusterTime");
  if (concern.has('afterClusterTime')) throw invalid('Specify either atClusterTime or afterClusterTime, not both');
  return { snapshot, atClusterTime };
}

export function checkSnapshotCommand(name: string): void {
  if (SNAPSHOT_COMMANDS.includes(name)) return;
  throw invalid(`Command ${name} does not support { readConcern: { level: "snapshot" } } outside of a transaction`);
}
