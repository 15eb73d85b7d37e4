import { Doc, isNumeric, toDouble } from '../bson/values.ts';
import type { CommandContext, Running } from '../commands/context.ts';
import { commands } from '../commands/registry.ts';
import { ErrorCode, MongoError, toMongoError } from '../errors.ts';
import { Store } from '../storage/database.ts';
import type { Journal } from '../storage/journal.ts';
import { Cursors } from './cursors.ts';
import { Retries, retryKeyOf } from './retries.ts';
import { TtlMonitor } from './ttl.ts';

/** The server's state, and the one way in which commands get at it. */
export class Engine {
  readonly store = new Store();
  readonly cursors = new Cursors();
  readonly retries = new Retries();
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
  }

  get isDurable(): boolean {
    return this.journal !== undefined;
  }

  /** From now on every change goes to the journal. */
  attach(journal: Journal): void {
    this.journal = journal;
    this.store.recorder = journal;
  }

  /** Runs a command to its reply. It answers without a promise when nothing has to be waited for. */
  execute(command: Doc, connectionId: number): Doc | Promise<Doc> {
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
    if (command.get('autocommit') === false) {
      throw new MongoError(
        ErrorCode.OperationNotSupportedInTransaction,
        'multi-document transactions are not supported by this server',
      );
    }
    const retry = entry.writes ? retryKeyOf(command) : undefined;
    if (retry !== undefined) {
      // A client that gave up waiting sends the write again while it is still running.
      const running = this.retries.running(retry);
      if (running !== undefined) return running;
      const repeated = this.retries.repeated(retry);
      if (repeated !== undefined) return this.acknowledged(command, repeated);
    }
    const context: CommandContext = { engine: this, command, name, database, connectionId };
    const finish = (reply: Doc): Doc | Promise<Doc> => {
      if (!entry.writes) return reply;
      if (retry !== undefined) this.retries.remember(retry, reply);
      this.store.recorder.commit(retry === undefined ? undefined : { ...retry, reply });
      return this.acknowledged(command, reply);
    };
    // What was changed before an error stays changed, and has to be in the journal like everything else.
    const fail = (error: unknown): Doc | Promise<Doc> => {
      if (entry.writes) this.store.recorder.commit();
      return toMongoError(error).toReply();
    };
    try {
      const result = entry.run(context);
      if (result instanceof Doc) return finish(result);
      const step = result.next();
      if (step.done === true) return finish(step.value);
      const deadline = deadlineOf(command);
      const later = this.continueLater(result, deadline, finish, fail);
      if (retry !== undefined) this.retries.started(retry, later);
      return later;
    } catch (error) {
      return fail(error);
    }
  }

  /** Gives the event loop a turn before each further slice of a long command. */
  private async continueLater(
    running: Running,
    deadline: number,
    finish: (reply: Doc) => Doc | Promise<Doc>,
    fail: (error: unknown) => Doc | Promise<Doc>,
  ): Promise<Doc> {
    try {
      for (;;) {
        // What this slice changed belongs to one commit; the next slice begins another.
        this.store.recorder.commit();
        await new Promise<void>((resume) => setImmediate(resume));
        if (performance.now() > deadline) {
          throw new MongoError(ErrorCode.MaxTimeMSExpired, 'operation exceeded time limit');
        }
        const step = running.next();
        if (step.done === true) return finish(step.value);
      }
    } catch (error) {
      return fail(error);
    }
  }

  /** A write is answered only when the journal has it, on disk if the client asks for that. */
  private acknowledged(command: Doc, reply: Doc): Doc | Promise<Doc> {
    if (this.journal === undefined) return reply;
    return this.journal.flushed(wantsSync(command)).then(() => reply);
  }

  async close(): Promise<void> {
    this.ttl.stop();
    this.cursors.close();
    await this.journal?.close();
  }
}

/** `maxTimeMS` counts from the start of the command; it is looked at whenever the command lets others run. */
function deadlineOf(command: Doc): number {
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
