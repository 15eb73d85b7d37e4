import { Doc, isNumeric } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { labelsOf } from './error-labels.ts';
import { count, FailPoint } from './fail-point.ts';

/** What a command that meets the fail point gets. */
export interface Failure {
  readonly blockMs: number;
  readonly closeConnection: boolean;
  readonly error: MongoError | undefined;
  readonly writeConcernError: Doc | undefined;
  readonly labels: string[];
}

const NAMES = [
  'failCommand',
  'failGetMoreAfterCursorCheckout',
  'maxTimeAlwaysTimeOut',
  'onPrimaryTransactionalWrite',
] as const;
type Name = (typeof NAMES)[number];

/** The test tools of the drivers' specifications: commands fail as if the network or the server had. */
export class FailPoints {
  private readonly set = new Map<Name, FailPoint>();

  get isSet(): boolean {
    return this.set.size > 0;
  }

  configure(command: Doc): void {
    const given = command.values[0];
    const name = NAMES.find((known) => known === given);
    if (name === undefined) {
      throw new MongoError(ErrorCode.FailPointSetFailed, `failpoint not found: ${String(given)}`);
    }
    const mode = command.get('mode');
    const point = mode === 'off' ? undefined : new FailPoint(mode, command.get('data'));
    if (point === undefined || point.isSpent) this.set.delete(name);
    else this.set.set(name, point);
  }

  private meet(name: Name, times = 1): Doc | undefined {
    const point = this.set.get(name);
    if (point?.hit(times) !== true) return undefined;
    if (point.isSpent) this.set.delete(name);
    return point.data;
  }

  /** `failCommand`: before the command does anything, or, for an error of its write concern, after it. */
  ofCommand(command: Doc, appName: string | undefined): Failure | undefined {
    const data = this.set.get('failCommand')?.data;
    if (data === undefined || command.keys[0] === 'configureFailPoint' || !isMeant(data, command, appName)) {
      return undefined;
    }
    return this.meet('failCommand') === undefined ? undefined : failureOf(data, command);
  }

  /** `maxTimeAlwaysTimeOut`: a command that may take only so long has taken longer. */
  timesOut(command: Doc): boolean {
    return count(command.get('maxTimeMS')) > 0 && this.meet('maxTimeAlwaysTimeOut') !== undefined;
  }

  /** `failGetMoreAfterCursorCheckout`: the code of an error after which the cursor is gone. */
  ofGetMore(): number | undefined {
    const data = this.meet('failGetMoreAfterCursorCheckout');
    if (data === undefined) return undefined;
    return isNumeric(data.get('errorCode')) ? count(data.get('errorCode')) : ErrorCode.InternalError;
  }

  /** `onPrimaryTransactionalWrite`: a retryable write fails before it is done, or loses its connection after it. */
  ofRetryableWrite(command: Doc): { closeConnection: boolean; error: MongoError | undefined } | undefined {
    const data = this.meet('onPrimaryTransactionalWrite', statementsOf(command));
    if (data === undefined) return undefined;
    const code = data.get('failBeforeCommitExceptionCode');
    return {
      closeConnection: data.get('closeConnection') !== false,
      error: isNumeric(code)
        ? new MongoError(count(code), 'Failing write for onPrimaryTransactionalWrite failpoint')
        : undefined,
    };
  }
}

/** A list of documents to insert is one write; updates and deletes are one each. */
function statementsOf(command: Doc): number {
  const statements = command.get('updates') ?? command.get('deletes') ?? command.get('ops');
  return Array.isArray(statements) ? statements.length : 1;
}

function isMeant(data: Doc, command: Doc, appName: string | undefined): boolean {
  const name = command.keys[0] ?? '';
  const names = data.get('failCommands');
  if (!Array.isArray(names) || !names.includes(name)) return false;
  if (data.has('appName') && data.get('appName') !== appName) return false;
  const collection = name === 'getMore' ? command.get('collection') : command.values[0];
  return !data.has('namespace') || data.get('namespace') === `${String(command.get('$db'))}.${String(collection)}`;
}

function failureOf(data: Doc, command: Doc): Failure {
  const code = data.get('errorCode');
  const concern = data.get('writeConcernError');
  const writeConcernError = concern instanceof Doc ? concern : undefined;
  const given = data.get('errorLabels');
  const extra = data.get('errorExtraInfo');
  const info = extra instanceof Doc ? Object.fromEntries(extra.entries()) : {};
  const failing = isNumeric(code) ? count(code) : count(writeConcernError?.get('code'));
  const labels = Array.isArray(given) ? given.map(String) : labelsOf(failing, command, writeConcernError !== undefined);
  return {
    blockMs: data.get('blockConnection') === true ? count(data.get('blockTimeMS')) : 0,
    closeConnection: data.get('closeConnection') === true,
    error: isNumeric(code) ? new MongoError(failing, FAILED, info, labels) : undefined,
    writeConcernError,
    labels,
  };
}
const FAILED = "Failing command via 'failCommand' failpoint";
