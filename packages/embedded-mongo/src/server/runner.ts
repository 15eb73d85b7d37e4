import { Doc, isNumeric, toDouble } from '../bson/values.ts';
import type { CommandContext, Handler, Pause, Running } from '../commands/context.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { Blocked } from '../storage/claims.ts';
import { type Operation, Operations } from './operations.ts';

type Finish = (reply: Doc) => Doc | Promise<Doc>;
type Fail = (error: unknown) => Doc | Promise<Doc>;

/** Runs commands to their replies, in slices between which others run. */
export class Runner {
  readonly operations = new Operations();
  private readonly endSlice: () => void;

  constructor(endSlice: () => void) {
    this.endSlice = endSlice;
  }

  /** It answers without a promise when nothing has to be waited for. */
  run(handler: Handler, context: CommandContext, finish: Finish, fail: Fail): Doc | Promise<Doc> {
    try {
      const result = handler(context);
      if (result instanceof Doc) return finish(result);
      const step = result.next();
      if (step.done === true) return finish(step.value);
      return this.continueLater(result, step.value, context, finish, fail);
    } catch (error) {
      if (!(error instanceof Blocked)) return fail(error);
      // A change of a collection that an open transaction has used: nothing of it has been done.
      const operation = this.operations.begin(context);
      return within(error.holder.ended, deadlineOf(context.command), operation)
        .finally(() => this.operations.end(operation))
        .then(() => this.run(handler, context, finish, fail), fail);
    }
  }

  /** Gives the event loop a turn, or waits for what the command waits for, before each further slice. */
  private async continueLater(
    running: Running,
    first: Pause,
    context: CommandContext,
    finish: Finish,
    fail: Fail,
  ): Promise<Doc> {
    const deadline = deadlineOf(context.command);
    const operation = this.operations.begin(context);
    try {
      for (let pause = first; ; ) {
        // What this slice changed belongs to one commit; the next slice begins another.
        this.endSlice();
        if (pause === undefined) await new Promise<void>((resume) => setImmediate(resume));
        else await within(pause, deadline, operation);
        if (performance.now() > deadline) throw timeIsOver();
        if (operation.killed !== undefined) throw operation.killed;
        const step = running.next();
        if (step.done === true) return finish(step.value);
        pause = step.value;
      }
    } catch (error) {
      // What the command holds, such as a cursor that it reads, is let go of.
      running.return(Doc.EMPTY);
      return fail(error);
    } finally {
      this.operations.end(operation);
    }
  }
}

/** Waits for the promise, but no longer than the command may take, and not when it is killed. */
function within(promise: Promise<void>, deadline: number, operation: Operation): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer =
      deadline === Number.POSITIVE_INFINITY
        ? undefined
        : setTimeout(() => reject(timeIsOver()), Math.max(0, deadline - performance.now()));
    operation.onKill = reject;
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

export function timeIsOver(): MongoError {
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
