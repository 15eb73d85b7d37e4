import type { Doc } from '../bson/values.ts';
import { TRANSIENT } from '../errors.ts';

/** Errors after which a driver sends a command again (specification: retryable-writes, "RetryableError"). */
const RETRYABLE = new Set([6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]);
const TRANSIENT_CODES = new Set([24, 112, 246, 251, 267]);
/** Further errors after which a change stream can go on (specification: change-streams, "Resumable Error"). */
const RESUMABLE = new Set([63, 133, 150, 234, 13388]);

/** The labels that MongoDB gives the error of a command by itself. */
export function labelsOf(code: number, command: Doc, isWriteConcernError: boolean): string[] {
  const name = command.keys[0] ?? '';
  const inTransaction = command.get('autocommit') === false;
  const ends = name === 'commitTransaction' || name === 'abortTransaction';
  const labels: string[] = [];
  const transient = TRANSIENT_CODES.has(code) || (!ends && RETRYABLE.has(code));
  if (inTransaction && transient && !isWriteConcernError) labels.push(TRANSIENT);
  if (RETRYABLE.has(code) && command.has('txnNumber') && (!inTransaction || ends)) labels.push('RetryableWriteError');
  return labels;
}

/** The label of an error that a change stream meets on its way. */
export function changeStreamLabels(code: number): string[] {
  return RETRYABLE.has(code) || RESUMABLE.has(code) ? ['ResumableChangeStreamError'] : [];
}
