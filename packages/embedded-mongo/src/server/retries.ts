import { Binary, Doc, isNumeric, toDouble } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';

/** A write that the client may send again under the same number. */
export interface RetryKey {
  readonly session: string;
  readonly number: bigint;
}

const MAX_SESSIONS = 10_000;

/**
 * The last reply of each session's retryable write (manual: core/retryable-writes): a write that arrives again is not
 * applied again. Sessions that were longest without a write are forgotten first.
 */
export class Retries {
  private readonly sessions = new Map<string, { number: bigint; reply: Doc; at: number }>();
  private writes = 0;
  private readonly inProgress = new Map<string, Promise<Doc>>();

  running({ session, number }: RetryKey): Promise<Doc> | undefined {
    return this.inProgress.size === 0 ? undefined : this.inProgress.get(`${session}${number}`);
  }

  /** Notes a write that takes several slices, until it is done. */
  started({ session, number }: RetryKey, reply: Promise<Doc>): void {
    const key = `${session}${number}`;
    this.inProgress.set(key, reply);
    reply.finally(() => this.inProgress.delete(key)).catch(() => {});
  }

  /** The reply of an earlier attempt, if this is a repetition. */
  repeated({ session, number }: RetryKey): Doc | undefined {
    const last = this.sessions.get(session);
    if (last === undefined || number > last.number) return undefined;
    if (number === last.number) return last.reply;
    throw new MongoError(
      ErrorCode.TransactionTooOld,
      `Retryable write with txnNumber ${number} is prohibited on session because a newer retryable write with txnNumber ${last.number} has already started on this session.`,
    );
  }

  remember({ session, number }: RetryKey, reply: Doc): void {
    this.writes += 1;
    const known = this.sessions.get(session);
    if (known === undefined) {
      if (this.sessions.size >= MAX_SESSIONS) this.forgetOldest();
      this.sessions.set(session, { number, reply, at: this.writes });
    } else {
      known.number = number;
      known.reply = reply;
      known.at = this.writes;
    }
  }

  /** A tenth at once, so that they are seldom put in order. */
  private forgetOldest(): void {
    const byAge = [...this.sessions].sort(([, a], [, b]) => a.at - b.at);
    for (const [session] of byAge.slice(0, MAX_SESSIONS / 10)) this.sessions.delete(session);
  }

  forget(session: string): void {
    this.sessions.delete(session);
  }

  /** The number of the session's last retryable write. */
  lastOf(session: string): bigint | undefined {
    return this.sessions.get(session)?.number;
  }

  *entries(): Generator<{ session: string; number: bigint; reply: Doc }> {
    for (const [session, { number, reply }] of this.sessions) yield { session, number, reply };
  }
}

const asked: { of: Doc; session: string | undefined } = { of: Doc.EMPTY, session: undefined };

/** The session of a command. Several ask for that of the same command, one after the other. */
export function sessionOf(command: Doc): string | undefined {
  if (asked.of === command) return asked.session;
  const lsid = command.get('lsid');
  const id = lsid instanceof Doc ? lsid.get('id') : undefined;
  const session = id instanceof Binary ? latin1(id.bytes) : undefined;
  asked.of = command;
  asked.session = session;
  return session;
}

function latin1({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
}

/** The retry key of a command, if it carries a session and a transaction number. */
export function retryKeyOf(command: Doc): RetryKey | undefined {
  const number = command.get('txnNumber');
  if (number === undefined) return undefined;
  const session = sessionOf(command);
  if (session === undefined || !isNumeric(number)) {
    throw new MongoError(ErrorCode.InvalidOptions, 'Transaction number requires a session ID to be specified');
  }
  return { session, number: typeof number === 'bigint' ? number : BigInt(toDouble(number)) };
}
