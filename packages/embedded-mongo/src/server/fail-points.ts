import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue, MongoError, TRANSIENT } from '../errors.ts';

/** Errors after which a driver sends a command again (specification: retryable-writes, "RetryableError"). */
const RETRYABLE = new Set([6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]);
const TRANSIENT_CODES = new Set([24, 112, 246, 251, 267]);

/** What a command that meets the fail point gets. */
export interface Failure {
  readonly blockMs: number;
  readonly closeConnection: boolean;
  readonly error: MongoError | undefined;
  readonly writeConcernError: Doc | undefined;
  readonly labels: string[];
}

/** The driver specification's test tool `failCommand`: commands fail as if the network or the server had. */
export class FailPoints {
  private data: Doc | undefined;
  private times = 0;
  private skip = 0;

  get isSet(): boolean {
    return this.data !== undefined;
  }

  configure(command: Doc): void {
    const name = command.values[0];
    if (name !== 'failCommand') throw badValue(`failpoint ${String(name)} not found; this server knows failCommand`);
    const mode = command.get('mode');
    this.data = undefined;
    if (mode === 'off') return;
    const limit = mode instanceof Doc ? mode : Doc.EMPTY;
    if (mode !== 'alwaysOn' && !limit.has('times') && !limit.has('skip')) {
      throw badValue("mode has to be 'alwaysOn', 'off', {times: n} or {skip: n}");
    }
    this.times = limit.has('times') ? count(limit.get('times')) : Number.POSITIVE_INFINITY;
    this.skip = count(limit.get('skip'));
    const data = command.get('data');
    if (this.times > 0) this.data = data instanceof Doc ? data : Doc.EMPTY;
  }

  /** Counts a command that the fail point is meant for. */
  hit(command: Doc, appName: string | undefined): Failure | undefined {
    const { data } = this;
    const name = command.keys[0] ?? '';
    if (data === undefined || name === 'configureFailPoint') return undefined;
    const names = data.get('failCommands');
    if (!Array.isArray(names) || !names.includes(name)) return undefined;
    if (data.has('appName') && data.get('appName') !== appName) return undefined;
    if (this.skip > 0) {
      this.skip -= 1;
      return undefined;
    }
    this.times -= 1;
    if (this.times <= 0) this.data = undefined;
    return failureOf(data, command);
  }
}

function failureOf(data: Doc, command: Doc): Failure {
  const code = data.get('errorCode');
  const concern = data.get('writeConcernError');
  const writeConcernError = concern instanceof Doc ? concern : undefined;
  const given = data.get('errorLabels');
  const failing = isNumeric(code) ? toDouble(code) : count(writeConcernError?.get('code'));
  const labels = Array.isArray(given) ? given.map(String) : labelsOf(failing, command, writeConcernError !== undefined);
  return {
    blockMs: data.get('blockConnection') === true ? count(data.get('blockTimeMS')) : 0,
    closeConnection: data.get('closeConnection') === true,
    error: isNumeric(code) ? new MongoError(failing, FAILED, {}, labels) : undefined,
    writeConcernError,
    labels,
  };
}
const FAILED = "Failing command via 'failCommand' failpoint";

/** The labels that MongoDB gives an error by itself. */
function labelsOf(code: number, command: Doc, isWriteConcernError: boolean): string[] {
  const name = command.keys[0] ?? '';
  const inTransaction = command.get('autocommit') === false;
  const ends = name === 'commitTransaction' || name === 'abortTransaction';
  const labels: string[] = [];
  const transient = TRANSIENT_CODES.has(code) || (!ends && RETRYABLE.has(code));
  if (inTransaction && transient && !isWriteConcernError) labels.push(TRANSIENT);
  if (RETRYABLE.has(code) && command.has('txnNumber') && (!inTransaction || ends)) labels.push('RetryableWriteError');
  return labels;
}

function count(value: Value | undefined): number {
  return isNumeric(value) ? toDouble(value) : 0;
}
