import { Doc, type Timestamp } from '../bson/values.ts';
import { type CommandContext, ok } from '../commands/context.ts';
import { ErrorCode, MongoError, TRANSIENT } from '../errors.ts';
import { StoreView } from '../storage/view.ts';
import type { Engine } from './engine.ts';
import { readConcernOf } from './read-concern.ts';
import type { RetryKey } from './retries.ts';
import { checkTransactionCommand } from './transaction-rules.ts';

const MAX_SESSIONS = 10_000;

/** One multi-document transaction. */
export interface Transaction {
  readonly key: RetryKey;
  readonly view: StoreView;
  /** The server as the transaction's commands see it. */
  readonly engine: Engine;
  readonly cursors: Set<bigint>;
  readonly expiry: NodeJS.Timeout;
}

interface Session {
  readonly number: bigint;
  /** None once the transaction has ended. */
  readonly open: Transaction | undefined;
  /** What commit answered, and answers again. */
  readonly committed: Doc | undefined;
}

/** The last transaction of each session (manual: core/transactions; specification: transactions/transactions.md). */
export class Transactions {
  /** Manual: reference/parameters, transactionLifetimeLimitSeconds. */
  lifetimeSeconds = 60;
  private readonly engine: Engine;
  private readonly sessions = new Map<string, Session>();
  private readonly cursorOwners = new Map<bigint, Transaction>();
  private openCount = 0;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  get open(): number {
    return this.openCount;
  }

  /** The transaction that a command of it continues, or begins. */
  enter(key: RetryKey, context: CommandContext): Transaction {
    checkTransactionCommand(context);
    const starts = context.command.get('startTransaction') === true;
    const transaction = starts ? this.begin(key, readConcernOf(context.command).atClusterTime) : this.current(key);
    if (context.name === 'getMore') this.checkCursor(context.command, transaction);
    return transaction;
  }

  private begin(key: RetryKey, atClusterTime: Timestamp | undefined): Transaction {
    const last = this.sessions.get(key.session);
    const lastWrite = this.engine.retries.lastOf(key.session) ?? -1n;
    const newest = last === undefined || last.number < lastWrite ? lastWrite : last.number;
    if (key.number < newest) throw tooOld(key.number, newest);
    if (key.number === newest) {
      throw new MongoError(
        ErrorCode.ConflictingOperationInProgress,
        `Cannot start a transaction with given transaction number ${key.number}, a transaction with the same number has been started already.`,
      );
    }
    if (last?.open !== undefined) this.abort(last.open);
    const view =
      atClusterTime === undefined ? new StoreView(this.engine.store) : this.engine.snapshots.viewAt(atClusterTime);
    this.engine.store.users.add(view);
    const transaction: Transaction = {
      key,
      view,
      engine: this.engine.through(view),
      cursors: new Set(),
      expiry: setTimeout(() => this.abort(transaction), this.lifetimeSeconds * 1000).unref(),
    };
    this.openCount += 1;
    this.note(key, { number: key.number, open: transaction, committed: undefined });
    return transaction;
  }

  private current(key: RetryKey): Transaction {
    const last = this.sessions.get(key.session);
    if (last !== undefined && key.number < last.number) throw tooOld(key.number, last.number);
    if (last?.number !== key.number) {
      throw noSuchTransaction(
        `Given transaction number ${key.number} does not match any in-progress transactions. The active transaction number is ${last?.number ?? -1}`,
      );
    }
    if (last.committed !== undefined) {
      throw new MongoError(ErrorCode.TransactionCommitted, `Transaction ${key.number} has been committed.`);
    }
    if (last.open === undefined) {
      throw noSuchTransaction(`Transaction with { txnNumber: ${key.number} } has been aborted.`);
    }
    return last.open;
  }

  /** `commitTransaction`: the reply, which a repetition gets again, and whether there is something new to journal. */
  commit(key: RetryKey): Doc {
    const last = this.sessions.get(key.session);
    if (last?.number === key.number && last.committed !== undefined) return last.committed;
    const transaction = this.current(key);
    const reply = ok();
    transaction.view.commit();
    this.finish(transaction, reply);
    this.engine.store.recorder.commit({ ...key, reply, transaction: true });
    return reply;
  }

  /** `abortTransaction`. */
  abortNamed(key: RetryKey): Doc {
    this.abort(this.current(key));
    return ok();
  }

  abort(transaction: Transaction): void {
    if (!transaction.view.isOpen) return;
    transaction.view.end();
    this.finish(transaction, undefined);
  }

  private finish(transaction: Transaction, committed: Doc | undefined): void {
    clearTimeout(transaction.expiry);
    for (const cursor of transaction.cursors) {
      this.cursorOwners.delete(cursor);
      this.engine.cursors.kill(cursor);
    }
    this.openCount -= 1;
    this.note(transaction.key, { number: transaction.key.number, open: undefined, committed });
  }

  /** What a restart knows of a commit: it answers a repetition. */
  restore({ session, number }: RetryKey, reply: Doc): void {
    this.note({ session, number }, { number, open: undefined, committed: reply });
  }

  private note({ session }: RetryKey, state: Session): void {
    this.sessions.delete(session);
    this.sessions.set(session, state);
    if (this.sessions.size <= MAX_SESSIONS) return;
    for (const [oldest, { open }] of this.sessions) {
      if (open !== undefined) continue;
      this.sessions.delete(oldest);
      break;
    }
  }

  /** A retryable write of the same session: its number has to be newer than that of the last transaction. */
  beforeWrite({ session, number }: RetryKey): void {
    const last = this.sessions.get(session);
    if (last === undefined) return;
    if (number < last.number) throw tooOld(number, last.number);
    if (number > last.number && last.open !== undefined) this.abort(last.open);
  }

  /** A cursor of a transaction can be read on only there. */
  noteCursor(transaction: Transaction, reply: Doc): void {
    const cursor = reply.get('cursor');
    const id = cursor instanceof Doc ? cursor.get('id') : undefined;
    if (typeof id !== 'bigint' || id === 0n) return;
    transaction.cursors.add(id);
    this.cursorOwners.set(id, transaction);
  }

  checkCursor(command: Doc, transaction?: Transaction): void {
    const id = command.values[0];
    if (typeof id !== 'bigint') return;
    const owner = this.cursorOwners.get(id);
    if (owner === transaction) return;
    throw owner === undefined
      ? new MongoError(50740, `Cannot run getMore on cursor ${id}, which was not created in a transaction, in one`)
      : new MongoError(50741, `Cannot run getMore on cursor ${id}, which was created in a transaction, outside of it`);
  }

  abortOf(session: string): void {
    const open = this.sessions.get(session)?.open;
    if (open !== undefined) this.abort(open);
  }

  abortAll(): void {
    for (const { open } of [...this.sessions.values()]) if (open !== undefined) this.abort(open);
  }

  *entries(): Generator<RetryKey & { reply: Doc; transaction: true }> {
    for (const [session, { number, committed }] of this.sessions) {
      if (committed !== undefined) yield { session, number, reply: committed, transaction: true };
    }
  }
}

function tooOld(number: bigint, newest: bigint): MongoError {
  return new MongoError(
    ErrorCode.TransactionTooOld,
    `Cannot start transaction with { txnNumber: ${number} } because a newer transaction with txnNumber ${newest} has already started on this session.`,
  );
}

function noSuchTransaction(message: string): MongoError {
  return new MongoError(ErrorCode.NoSuchTransaction, message, {}, [TRANSIENT]);
}
