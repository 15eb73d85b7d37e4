import type { CommandContext } from '../commands/context.ts';
import { ErrorCode, MongoError } from '../errors.ts';

/** A command that is still running, between two of its slices or while it waits. */
export interface Operation {
  readonly id: number;
  readonly context: CommandContext;
  readonly startedMs: number;
  /** Why it is to end, as soon as it would go on. */
  killed: MongoError | undefined;
  onKill: ((error: MongoError) => void) | undefined;
}

/** The running commands: what `currentOp` shows and `killOp` ends. */
export class Operations {
  private readonly running = new Map<number, Operation>();
  private nextId = 1;

  begin(context: CommandContext): Operation {
    const operation: Operation = {
      id: this.takeId(),
      context,
      startedMs: Date.now(),
      killed: undefined,
      onKill: undefined,
    };
    this.running.set(operation.id, operation);
    return operation;
  }

  takeId(): number {
    return this.nextId++;
  }

  end(operation: Operation): void {
    this.running.delete(operation.id);
  }

  kill(id: number, error = new MongoError(ErrorCode.Interrupted, 'operation was interrupted')): void {
    const operation = this.running.get(id);
    if (operation === undefined) return;
    operation.killed = error;
    operation.onKill?.(error);
  }

  [Symbol.iterator](): Iterator<Operation> {
    return this.running.values();
  }
}
