import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { codeNameOf, ErrorCode, failedToParse, MongoError } from '../errors.ts';

const MAX_MEMBERS = 50;

/** Manual: reference/write-concern. What cannot be understood is refused before the command does anything. */
export function checkWriteConcern(command: Doc): void {
  const concern = command.get('writeConcern');
  if (concern === undefined || concern === null) return;
  if (!(concern instanceof Doc)) throw new MongoError(ErrorCode.TypeMismatch, "'writeConcern' has to be an object");
  const w = concern.get('w');
  if (isNumeric(w)) {
    const members = toDouble(w);
    if (members < 0 || members > MAX_MEMBERS) {
      throw failedToParse(`w has to be a non-negative number and not greater than ${MAX_MEMBERS}; found: ${members}`);
    }
  } else if (w !== undefined && typeof w !== 'string') {
    throw failedToParse('w has to be a number or a string');
  }
}

/** `writeConcernError` of a write that was done, but not by as many members as asked for: there is one. */
export function unsatisfiedConcern(command: Doc): Doc | undefined {
  const concern = command.get('writeConcern');
  if (!(concern instanceof Doc)) return undefined;
  const w = concern.get('w');
  if (isNumeric(w) && toDouble(w) > 1) {
    return concernError(ErrorCode.UnsatisfiableWriteConcern, 'Not enough data-bearing nodes', concern);
  }
  if (typeof w !== 'string' || w === 'majority') return undefined;
  return concernError(
    ErrorCode.UnknownReplWriteConcern,
    `No write concern mode named '${w}' found in replica set configuration`,
    concern,
  );
}

function concernError(code: number, errmsg: string, concern: Doc): Doc {
  const writeConcern = concern.with('provenance', 'clientSupplied');
  return Doc.of({ code, codeName: codeNameOf(code), errmsg, errInfo: Doc.of({ writeConcern }) });
}

/** `w: 'majority'` and `j: true` promise that the write survives a loss of power. */
export function wantsSync(command: Doc): boolean {
  const concern = command.get('writeConcern');
  if (!(concern instanceof Doc)) return false;
  const w: Value | undefined = concern.get('w');
  return concern.get('j') === true || w === 'majority' || (isNumeric(w) && toDouble(w) > 1);
}
