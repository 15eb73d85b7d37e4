import { Doc, isNumeric, toDouble } from '../bson/values.ts';
import type { CommandContext, Handler, Pause, Running } from '../commands/context.ts';
import { commands } from '../commands/registry.ts';
import { ErrorCode, MongoError, toMongoError } from '../errors.ts';
import { Blocked } from '../storage/claims.ts';
import { Store } from '../storage/database.ts';
import { History } from '../storage/history.ts';
import type { Journal } from '../storage/journal.ts';
import type { RetryEntry } from '../storage/operations.ts';
import { Clock } from './clock.ts';
import { Cursors } from './cursors.ts';
import { FailPoints, type Failure } from './fail-points.ts';
import { Retries, retryKeyOf } from './retries.ts';
import { Transactions } from './transactions.ts';
import { TtlMonitor } from './ttl.ts';

/** Instead of a reply: the connection is closed without one. */
export const HANG_UP = new Doc([], []);

/** The server's state, and the one way in which commands get at it. */
export class Engine {
  readonly clock = new Clock();
  readonly history = new History(this.clock);
  readonly store = new Store();
  readonly failPoints = new FailPoints();
  /** The names that clients gave themselves, by connection. */
  readonly appNames = new Map<number, string>();
  readonly cursors = new Cursors();
  readonly retries = new Retries();
  readonly transactions = new Transactions(this);
  readonly ttl = new TtlMonitor(this);
  readonly startedAt = Date.now();
  readonly version = '8.0.0';
  readonly replicaSet: string;
  host = '127.0.0.1';
  port = 0;
  connections = 0;
  private journal: Journal | undefined;

  constructor(replicaSet: string) {
    this.replicaSet = replicaSet;
    this.store.recorder = this.history;
  }

  get isDurable(): boolean {
    return this.journal !== undefined;
  }

  /** From now on every change goes to the journal. */
  attach(journal: Journal): void {
    this.journal = journal;
    this.history.next = journal;
  }

  /** The same server, with another view of its data. */
  through(store: Store): Engine {
    return Object.create(this, { store: { value: store } }) as Engine;
  }

  /** What the journal remembers of the replies to writes and commits. */
  restoreReply(entry: RetryEntry): void {
    if (entry.transaction === true) this.transactions.restore(entry, entry.reply);
    else this.retries.remember(entry, entry.reply);
  }

  /** Runs a command to its reply. It answers without a promise when nothing has to be waited for. */
  execute(command: Doc, connectionId: number): Doc | Promise<Doc> {
    if (this.failPoints.isSet) {
      const failure = this.failPoints.hit(command, this.appNames.get(connectionId));
      if (failure !== undefined) return this.failing(failure, command, connectionId);
    }
    return this.executeNow(command, connectionId);
  }

  /** What a fail point makes of a command. */
  private async failing(failure: Failure, command: Doc, connectionId: number): Promise<Doc> {
    const { blockMs, closeConnection, error, writeConcernError, labels } = failure;
    if (blockMs > 0) await new Promise((resolve) => setTimeout(resolve, blockMs).unref());
    if (closeConnection) return HANG_UP;
    if (error !== undefined) return error.toReply();
    const reply = await this.executeNow(command, connectionId);
    if (writeConcernError === undefined) return reply;
    const failed = reply.with('writeConcernError', writeConcernError);
    return labels.length > 0 ? failed.with('errorLabels', labels) : failed;
  }

  private executeNow(command: Doc, connectionId: number): Doc | Promise<Doc> {
    try {
      return this.dispatch(command, connectionId);
    } catch (error) {
      return toMongoError(error).toReply();
    }
  }

  private dispatch(command: Doc, connectionId: number): Doc | Promise<Doc> {
    const name = command.keys[0] ?? '';
    const database = command.get('$db');
    if (typeof database !== 'string') throw new MongoError(40571, 'OP_MSG requests require a $db argument');
    const entry = commands.get(name);
    if (entry === undefined) throw new MongoError(ErrorCode.CommandNotFound, `no such command: '${name}'`);
    const context: CommandContext = { engine: this, command, name, database, connectionId };
    if (command.has('autocommit')) return this.dispatchInTransaction(entry.run, context);
    refuseSnapshot(command);
    if (name === 'getMore') this.transactions.checkCursor(command);
    const writes = entry.writes(command);
    const retry = writes ? retryKeyOf(command) : undefined;
    if (retry !== undefined) {
      // A client that gave up waiting sends the write again while it is still running.
      const running = this.retries.running(retry);
      if (running !== undefined) return running;
      const repeated = this.retries.repeated(retry);
      if (repeated !== undefined) return this.acknowledged(command, repeated);
      this.transactions.beforeWrite(retry);
    }
    const finish = (reply: Doc): Doc | Promise<Doc> => {
      if (!writes) return reply;
      if (retry !== undefined) this.retries.remember(retry, reply);
      this.store.recorder.commit(retry === undefined ? undefined : { ...retry, reply });
      return this.acknowledged(command, reply);
    };
    // What was changed before an error stays changed, and has to be in the journal like everything else.
    const fail = (error: unknown): Doc | Promise<Doc> => {
      if (writes) this.store.recorder.commit();
      return toMongoError(error).toReply();
    };
    const reply = this.run(entry.run, context, finish, fail);
    if (retry !== undefined && reply instanceof Promise) this.retries.started(retry, reply);
    return reply;
  }

  /** Specification: transactions/transactions.md, "Constructing the first command within a transaction". */
  private dispatchInTransaction(handler: Handler, context: CommandContext): Doc | Promise<Doc> {
    const { command, name } = context;
    const key = retryKeyOf(command);
    if (command.get('autocommit') !== false || key === undefined) {
      throw new MongoError(ErrorCode.InvalidOptions, "'autocommit' has to be false and needs a transaction number");
    }
    if (name === 'commitTransaction' || name === 'abortTransaction') {
      if (context.database !== 'admin') {
        throw new MongoError(ErrorCode.Unauthorized, `${name} may only be run against the admin database.`);
      }
      if (name === 'abortTransaction') return this.transactions.abortNamed(key);
      return this.acknowledged(command, this.transactions.commit(key));
    }
    const transaction = this.transactions.enter(key, context);
    const finish = (reply: Doc): Doc => {
      this.transactions.noteCursor(transaction, reply);
      if (reply.has('writeErrors')) this.transactions.abort(transaction);
      return reply;
    };
    const fail = (error: unknown): Doc => {
      this.transactions.abort(transaction);
      return toMongoError(error).toReply();
    };
    return this.run(handler, { ...context, engine: transaction.engine }, finish, fail);
  }

  private run(
    handler: Handler,
    context: CommandContext,
    finish: (reply: Doc) => Doc | Promise<Doc>,
    fail: (error: unknown) => Doc | Promise<Doc>,
  ): Doc | Promise<Doc> {
    try {
      const result = handler(context);
      if (result instanceof Doc) return finish(result);
      const step = result.next();
      if (step.done === true) return finish(step.value);
      return this.continueLater(result, step.value, deadlineOf(context.command), finish, fail);
    } catch (error) {
      if (!(error instanceof Blocked)) return fail(error);
      // A change of a collection that an open transaction has used: nothing of it has been done.
      return this.within(error.holder.ended, deadlineOf(context.command)).then(
        () => this.run(handler, context, finish, fail),
        fail,
      );
    }
  }

  /** Gives the event loop a turn, or waits for what the command waits for, before each further slice. */
  private async continueLater(
    running: Running,
    first: Pause,
    deadline: number,
    finish: (reply: Doc) => Doc | Promise<Doc>,
    fail: (error: unknown) => Doc | Promise<Doc>,
  ): Promise<Doc> {
    try {
      for (let pause = first; ; ) {
        // What this slice changed belongs to one commit; the next slice begins another.
        this.store.recorder.commit();
        if (pause === undefined) await new Promise<void>((resume) => setImmediate(resume));
        else await this.within(pause, deadline);
        if (performance.now() > deadline) throw timeIsOver();
        const step = running.next();
        if (step.done === true) return finish(step.value);
        pause = step.value;
      }
    } catch (error) {
      return fail(error);
    }
  }

  /** Waits for the promise, but no longer than the command may take. */
  private within(promise: Promise<void>, deadline: number): Promise<void> {
    if (deadline === Number.POSITIVE_INFINITY) return promise;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(timeIsOver()), Math.max(0, deadline - performance.now()));
      promise.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  /** A write is answered only when the journal has it, on disk if the client asks for that. */
  private acknowledged(command: Doc, reply: Doc): Doc | Promise<Doc> {
    if (this.journal === undefined) return reply;
    return this.journal.flushed(wantsSync(command)).then(() => reply);
  }

  /** Until what has been changed so far would survive the end of this process. */
  written(): Promise<void> | undefined {
    return this.journal?.flushed(false);
  }

  async close(): Promise<void> {
    this.ttl.stop();
    this.transactions.abortAll();
    this.cursors.close();
    await this.journal?.close();
  }
}

/** Several commands that read one past moment: what sessions with `snapshot: true` ask for. */
function refuseSnapshot(command: Doc): void {
  const concern = command.get('readConcern');
  if (!(concern instanceof Doc) || concern.get('level') !== 'snapshot') return;
  throw new MongoError(ErrorCode.NotImplemented, 'readConcern snapshot is supported in transactions only');
}

function timeIsOver(): MongoError {
  return new MongoError(ErrorCode.MaxTimeMSExpired, 'operation exceeded time limit');
}

/** `maxTimeMS` counts from the start of the command; it is looked at whenever the command lets others run. */
function deadlineOf(command: Doc): number {
  // There it says how long to wait for more.
  if (command.keys[0] === 'getMore') return Number.POSITIVE_INFINITY;
  const limit = command.get('maxTimeMS');
  const ms = isNumeric(limit) ? toDouble(limit) : 0;
  return ms > 0 ? performance.now() + ms : Number.POSITIVE_INFINITY;
}

/** `w: 'majority'` and `j: true` promise that the write survives a loss of power. */
function wantsSync(command: Doc): boolean {
  const concern = command.get('writeConcern');
  if (!(concern instanceof Doc)) return false;
  const w = concern.get('w');
  return concern.get('j') === true || w === 'majority' || (isNumeric(w) && toDouble(w) > 1);
}
