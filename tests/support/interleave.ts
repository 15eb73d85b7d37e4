import mongoose from 'mongoose';
import { behindGate, type Command } from './commandGate.ts';

/** What a process that died throws at whoever still waits for it. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

/** What may become of a command. In the first three the process dies, in the last three it lives and gets an error. */
export const FAULTS = [
  /** Dies before the command is sent. */
  'before',
  /** Dies when the command was applied, before its answer. */
  'after',
  /** Dies when a write to many documents was applied to some of them. */
  'partly',
  /** The database answers that it shuts down; nothing was applied. */
  'refused',
  /** The command was applied, and the connection breaks before its answer. */
  'unanswered',
  /** A write to many documents was applied to some of them, and the connection breaks. */
  'cut off',
] as const;
export type Fault = (typeof FAULTS)[number];
export type Fate = 'lives' | Fault;

/** One process of a test: each of its commands has the fate that `decide` gives it. */
export function asProcess<T>(decide: (command: Command) => Fate | Promise<Fate>, run: () => Promise<T>): Promise<T> {
  let isDead = false;
  const die = (): never => {
    isDead = true;
    throw new Crash();
  };
  return behindGate(async (command) => {
    if (isDead) throw new Crash();
    const fate = await decide(command);
    switch (fate) {
      case 'lives':
        return command.send();
      case 'before':
        return die();
      case 'refused':
        throw new mongoose.mongo.MongoServerError({
          message: 'The server is in quiesce mode and will shut down',
          code: 91,
        });
      case 'after':
      case 'unanswered':
        // Whatever the database answers, nobody hears it any more.
        await command.send().catch(() => {});
        break;
      case 'partly':
      case 'cut off':
        await (command.sendPart ?? command.send)().catch(() => {});
    }
    if (fate === 'after' || fate === 'partly') return die();
    throw new mongoose.mongo.MongoNetworkError('The connection was closed before the answer came');
  }, run);
}

interface Waiting {
  command: Command;
  proceed: (fate: Fate) => void;
}

/** Whether a process that has ended so is started once more, as who waits for it in vain would. */
export type Again = (end: PromiseSettledResult<unknown>, attempts: number) => boolean;

const never: Again = () => false;

/**
 * Runs several processes over one database, one command at a time, in an order and with faults that the caller
 * chooses: every interleaving of their commands can be had, and had again. A process sends one command at a time.
 */
export class Interleaving {
  private readonly waiting: Waiting[] = [];
  private active = 0;
  private quiet: (() => void) | undefined;

  /** Starts a process whose every command waits for its turn, and another one in its place for as long as `again` says so. */
  start<T>(run: () => Promise<T>, again: Again = never): Promise<PromiseSettledResult<T>> {
    this.active += 1;
    return this.attempts(run, again).finally(() => this.rest());
  }

  private async attempts<T>(run: () => Promise<T>, again: Again): Promise<PromiseSettledResult<T>> {
    for (let attempts = 1; ; attempts += 1) {
      const [end] = await Promise.allSettled([asProcess((command) => this.turn(command), run)]);
      if (!again(end, attempts)) return end;
    }
  }

  /**
   * Lets one command after the other happen until all processes have ended.
   *
   * @param choose whose turn it is of so many that wait, of whom the last has come last
   */
  async play(
    choose: (waiting: number) => { index: number; fate: Fate },
    afterEach: (command: Command) => Promise<void> = async () => {},
  ): Promise<void> {
    for (;;) {
      await this.allAtRest();
      if (this.waiting.length === 0) return;
      const { index, fate } = choose(this.waiting.length);
      const [chosen] = this.waiting.splice(index % this.waiting.length, 1);
      if (!chosen) return;
      this.active += 1;
      chosen.proceed(fate);
      await this.allAtRest();
      await afterEach(chosen.command);
    }
  }

  private turn(command: Command): Promise<Fate> {
    if (this.active === 0) throw new Error('A process of an interleaving sends one command at a time');
    return new Promise((resolve) => {
      this.waiting.push({ command, proceed: resolve });
      this.rest();
    });
  }

  private rest(): void {
    this.active -= 1;
    if (this.active === 0) this.quiet?.();
  }

  private async allAtRest(): Promise<void> {
    if (this.active === 0) return;
    await new Promise<void>((resolve) => {
      this.quiet = resolve;
    });
  }
}
