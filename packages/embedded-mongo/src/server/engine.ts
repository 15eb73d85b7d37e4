import { Doc, type Timestamp } from '../bson/values.ts';
import type { CommandContext, Handler } from '../commands/context.ts';
import type { ProfileSettings } from '../commands/profile.ts';
import { commands } from '../commands/registry.ts';
import { ErrorCode, MongoError, toMongoError } from '../errors.ts';
import { Store } from '../storage/database.ts';
import { History } from '../storage/history.ts';
import type { Journal } from '../storage/journal.ts';
import type { RetryEntry } from '../storage/operations.ts';
import { checkApiVersion } from './api-version.ts';
import { Clock } from './clock.ts';
import { Cursors } from './cursors.ts';
import { FailPoints, type Failure } from './fail-points.ts';
import { checkSnapshotCommand, readConcernOf } from './read-concern.ts';
import { Retries, retryKeyOf } from './retries.ts';
import { Runner, timeIsOver } from './runner.ts';
import { Sessions } from './sessions.ts';
import { Snapshots } from './snapshots.ts';
import { Transactions } from './transactions.ts';
import { TtlMonitor } from './ttl.ts';
import { checkWriteConcern, unsatisfiedConcern, wantsSync } from './write-concern.ts';

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
  readonly sessions = new Sessions();
  readonly snapshots = new Snapshots(this);
  readonly runner = new Runner(() => this.store.recorder.commit());
  readonly startedAt = Date.now();
  readonly version = '8.0.0';
  readonly profiling: ProfileSettings = { slowms: 100, sampleRate: 1 };
  /** The parameter `requireApiVersion`. */
  requiresApiVersion = false;
  readonly replicaSet: string;
  host = '127.0.0.1';
  port = 0;
  connections = 0;
  private journal: Journal | undefined;

  constructor(replicaSet: string) {
    this.replicaSet = replicaSet;
    this.store.recorder = this.history;
    this.sessions.isOpen = (cursor) => this.cursors.has(cursor);
    this.sessions.onEnd = (session, cursors) => {
      this.transactions.abortOf(session);
      for (const cursor of cursors) this.cursors.kill(cursor);
    };
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
      const failure = this.failPoints.ofCommand(command, this.appNames.get(connectionId));
      if (failure !== undefined) return this.failing(failure, command, connectionId);
      if (this.failPoints.timesOut(command)) return timeIsOver().toReply();
    }
    return this.executeNow(command, connectionId);
  }

  /** What a fail point makes of a command. */
  private async failing(failure: Failure, command: Doc, connectionId: number): Promise<Doc> {
    const { blockMs, closeConnection, error, writeConcernError, labels } = failure;
    if (blockMs > 0) await new Promise((resolve) => setTimeout(resolve, blockMs).unref());
    if (closeConnection) return HANG_UP;
    // The command has not begun: a transaction that it is part of stays as it was.
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
    checkApiVersion(name, command, this.requiresApiVersion);
    this.sessions.use(command);
    checkWriteConcern(command);
    if (command.has('autocommit')) return this.dispatchInTransaction(entry.run, context);
    const { snapshot, atClusterTime } = readConcernOf(command);
    // A cursor reads on in the moment that it was opened at; drivers repeat the level.
    if (snapshot && name !== 'getMore') return this.dispatchAtSnapshot(entry.run, context, atClusterTime);
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
    const failure = retry === undefined ? undefined : this.failPoints.ofRetryableWrite(command);
    if (failure?.error !== undefined) return failure.closeConnection ? HANG_UP : failure.error.toReply();
    const finish = (reply: Doc): Doc | Promise<Doc> => {
      if (name !== 'getMore') this.sessions.noteCursor(command, reply);
      if (!writes) return reply;
      if (retry !== undefined) this.retries.remember(retry, reply);
      this.store.recorder.commit(retry === undefined ? undefined : { ...retry, reply });
      return failure?.closeConnection === true ? HANG_UP : this.acknowledged(command, reply);
    };
    // What was changed before an error stays changed, and has to be in the journal like everything else.
    const fail = (error: unknown): Doc | Promise<Doc> => {
      if (writes) this.store.recorder.commit();
      return toMongoError(error).toReply();
    };
    const reply = this.runner.run(entry.run, context, finish, fail);
    if (retry !== undefined && reply instanceof Promise) this.retries.started(retry, reply);
    return reply;
  }

  /** Reads one moment, which its reply names, so that further reads can ask for the same (manual: reference/read-concern-snapshot). */
  private dispatchAtSnapshot(
    handler: Handler,
    context: CommandContext,
    atClusterTime: Timestamp | undefined,
  ): Doc | Promise<Doc> {
    checkSnapshotCommand(context.name);
    const { view, time } = this.snapshots.at(atClusterTime);
    const finish = (reply: Doc): Doc => {
      this.sessions.noteCursor(context.command, reply);
      const cursor = reply.get('cursor');
      return cursor instanceof Doc
        ? reply.with('cursor', cursor.with('atClusterTime', time))
        : reply.with('atClusterTime', time);
    };
    const fail = (error: unknown): Doc => toMongoError(error).toReply();
    return this.runner.run(handler, { ...context, engine: this.through(view) }, finish, fail);
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
    return this.runner.run(handler, { ...context, engine: transaction.engine }, finish, fail);
  }

  /** A write is answered only when the journal has it, on disk if the client asks for that. */
  private acknowledged(command: Doc, done: Doc): Doc | Promise<Doc> {
    const failed = unsatisfiedConcern(command);
    const reply = failed === undefined ? done : done.with('writeConcernError', failed);
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
