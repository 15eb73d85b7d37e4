import type { Store } from '@/models/store.ts';

/** What a process that died throws at whoever still waits for it. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

/** `before`: the process dies before its command is sent; `after`: when the command was applied, before its answer. */
export type Fate = 'lives' | 'before' | 'after';

/** Collection methods that send a command; those of a cursor are wrapped where the cursor is made. */
const COMMANDS = new Set([
  'findOne',
  'findOneAndUpdate',
  'insertOne',
  'insertMany',
  'updateOne',
  'updateMany',
  'bulkWrite',
  'countDocuments',
]);
const MAKES_CURSOR = new Set(['find', 'aggregate']);
const CURSOR_COMMANDS = new Set(['toArray']);

interface Waiting {
  proceed: (fate: Fate) => void;
}

/**
 * Runs several processes over one database, one command at a time, in an order and with crashes that the caller
 * chooses: every interleaving of their commands can be had, and had again.
 */
export class Interleaving {
  private readonly waiting: Waiting[] = [];
  private active = 0;
  private quiet: (() => void) | undefined;

  /** Starts a process. `run` gets a store whose every command waits for its turn. */
  start<S extends Store>(store: S, run: (store: S) => Promise<unknown>): Promise<PromiseSettledResult<unknown>> {
    this.active += 1;
    let dead = false;
    const step = async (command: () => Promise<unknown>): Promise<unknown> => {
      if (dead) throw new Crash();
      const fate = await this.turn();
      if (fate === 'before') {
        dead = true;
        throw new Crash();
      }
      if (fate === 'lives') return command();
      // Whatever the database answers, nobody hears it any more.
      await command().catch(() => {});
      dead = true;
      throw new Crash();
    };
    const ended = run(stepping(store, step)).then(
      (value): PromiseSettledResult<unknown> => ({ status: 'fulfilled', value }),
      (reason: unknown): PromiseSettledResult<unknown> => ({ status: 'rejected', reason }),
    );
    return ended.finally(() => this.rest());
  }

  /** Lets one command after the other happen until all processes have ended. */
  async play(choose: () => { index: number; fate: Fate }, afterEach: () => Promise<void>): Promise<void> {
    for (;;) {
      await this.allAtRest();
      if (this.waiting.length === 0) return;
      const { index, fate } = choose();
      const [chosen] = this.waiting.splice(index % this.waiting.length, 1);
      this.active += 1;
      chosen?.proceed(fate);
      await this.allAtRest();
      await afterEach();
    }
  }

  private turn(): Promise<Fate> {
    return new Promise((resolve) => {
      this.waiting.push({ proceed: resolve });
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

type Step = (command: () => Promise<unknown>) => Promise<unknown>;

/** The same store, but for its commands, which go through `step`. */
function stepping<S extends Store>(store: S, step: Step): S {
  const models = Object.fromEntries(
    Object.entries(store.models).map(([name, model]) => [
      name,
      replacing(model, { db: steppingConnection(model, step) }),
    ]),
  );
  return replacing(store, { models });
}

function steppingConnection(model: Store['models'][keyof Store['models']], step: Step) {
  return replacing(model.db, {
    collection: (name: string) => steppingCalls(model.db.collection(name), COMMANDS, step),
  });
}

/** `target` with other values for some of its properties. */
function replacing<T extends object>(target: T, replacements: Record<string, unknown>): T {
  return new Proxy(target, {
    get: (object, property) =>
      typeof property === 'string' && property in replacements
        ? replacements[property]
        : boundTo(object, Reflect.get(object, property)),
  });
}

function steppingCalls<T extends object>(target: T, names: ReadonlySet<string>, step: Step): T {
  return new Proxy(target, {
    get(object, property) {
      const value: unknown = boundTo(object, Reflect.get(object, property));
      if (typeof value !== 'function') return value;
      if (names.has(String(property))) return (...args: unknown[]) => step(async () => value(...args));
      return (...args: unknown[]) => {
        const result: unknown = value(...args);
        if (result === object) return steppingCalls(object, names, step);
        return MAKES_CURSOR.has(String(property)) ? steppingCalls(asObject(result), CURSOR_COMMANDS, step) : result;
      };
    },
  });
}

function boundTo(object: object, value: unknown): unknown {
  return typeof value === 'function' && !('schema' in value) ? value.bind(object) : value;
}

function asObject(value: unknown): object {
  if (typeof value === 'object' && value !== null) return value;
  throw new Error('A query gives a cursor');
}
