import { AsyncLocalStorage } from 'node:async_hooks';
import type { Collection } from 'mongoose';
import type { Store } from '@/models/store.ts';

/** A command that is about to be sent. */
export interface Command {
  /** The method of the collection, or of a cursor that it gave. */
  name: string;
  collection: string;
  /** Sends it, and resolves with the database's answer. */
  send(): Promise<unknown>;
  /** Applies it to some of its documents only; undefined for a command that is one atomic write, or none. */
  sendPart: (() => Promise<unknown>) | undefined;
}

/** Decides what becomes of a command. */
export type Gate = (command: Command) => Promise<unknown>;

const COMMANDS = [
  'findOne',
  'findOneAndUpdate',
  'findOneAndReplace',
  'findOneAndDelete',
  'insertOne',
  'insertMany',
  'updateOne',
  'updateMany',
  'replaceOne',
  'deleteOne',
  'deleteMany',
  'countDocuments',
  'distinct',
  'bulkWrite',
] as const;
const CURSORS = ['find', 'aggregate'] as const;
const CURSOR_COMMANDS: ReadonlySet<string> = new Set(['toArray', 'next', 'tryNext', 'hasNext']);

const gates = new AsyncLocalStorage<Gate>();
const gated = new WeakSet<object>();

/**
 * Runs `run` so that each command it sends to a collection of a gated store goes through `gate`: those of Mongoose's own operations
 * as much as those that are sent to the driver's collections, since Mongoose sends its own through the same object.
 */
export function behindGate<T>(gate: Gate, run: () => Promise<T>): Promise<T> {
  return gates.run(gate, run);
}

/** For a test that looks at something itself, while what it tests is behind a gate. */
export function pastGates<T>(run: () => Promise<T>): Promise<T> {
  return gates.exit(run);
}

/** A call to somebody else than the database, which the gate of whoever calls stops like a command. */
export async function callThroughGate<Answer>(name: string, call: () => Promise<Answer>): Promise<Answer> {
  const gate = gates.getStore();
  if (!gate) return call();
  let answer: Promise<Answer> | undefined;
  const send = () => {
    answer = call();
    return answer;
  };
  await gate({ collection: 'stripe', name, send, sendPart: undefined });
  if (!answer) throw new Error('The gate has let a call through without sending it');
  return answer;
}

/** Lets {@link behindGate} stop the commands of this store's models. Once for each, before the first command. */
export function gateCommands({ models }: Store): void {
  for (const { collection } of Object.values(models)) {
    if (gated.has(collection)) continue;
    gated.add(collection);
    for (const name of COMMANDS) replace(collection, name, throughGate(collection, name));
    for (const name of CURSORS)
      replace(collection, name, (gate, open) => gatedCursor(collection, gate, asObject(open())));
  }
}

type GatedCall = (gate: Gate, call: () => unknown, args: unknown[]) => unknown;

/** Where there is no gate, the collection is as it was. */
function replace(target: Collection, name: string, gated: GatedCall): void {
  const method: unknown = Reflect.get(target, name);
  if (typeof method !== 'function') throw new Error(`A collection has no ${name}`);
  const value = (...args: unknown[]): unknown => {
    const gate = gates.getStore();
    if (!gate) return Reflect.apply(method, target, args);
    return gated(gate, () => Reflect.apply(method, target, args), args);
  };
  Object.defineProperty(target, name, { value, configurable: true, writable: true });
}

function throughGate(collection: Collection, name: string): GatedCall {
  return (gate, call, args) =>
    gate({ collection: collection.name, name, send: async () => call(), sendPart: partOf(collection, name, args) });
}

/** A cursor sends its command when it is asked for documents. */
function gatedCursor(collection: Collection, gate: Gate, cursor: object): object {
  const wrapped: object = new Proxy(cursor, {
    get(target, property) {
      if (property === Symbol.asyncIterator) return () => documentsOf(wrapped);
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const call = () => Reflect.apply(value, target, args);
        if (CURSOR_COMMANDS.has(String(property))) {
          return gate({
            collection: collection.name,
            name: String(property),
            send: async () => call(),
            sendPart: undefined,
          });
        }
        const result: unknown = call();
        return result === target ? wrapped : result;
      };
    },
  });
  return wrapped;
}

async function* documentsOf(cursor: object): AsyncGenerator<unknown> {
  const next: unknown = Reflect.get(cursor, 'next');
  if (typeof next !== 'function') throw new Error('A cursor gives its documents one by one');
  for (;;) {
    const document: unknown = await next();
    if (document === null) return;
    yield document;
  }
}

/** What is written to many documents is not one atomic write: who is cut off may have written the first of them only. */
function partOf(collection: Collection, name: string, [first, ...rest]: unknown[]): Command['sendPart'] {
  const write = (target: unknown) => Reflect.apply(Reflect.get(collection, name), collection, [target, ...rest]);
  if (name === 'insertMany' || name === 'bulkWrite') {
    if (!Array.isArray(first) || first.length < 2) return undefined;
    return () => gates.exit(async () => write(firstHalf(first)));
  }
  if (name !== 'updateMany' && name !== 'deleteMany') return undefined;
  return () =>
    gates.exit(async () => {
      const matched = await collection.find(asObject(first)).project({ _id: 1 }).toArray();
      if (matched.length < 2) return undefined;
      return write({ $and: [first, { _id: { $in: firstHalf(matched).map(({ _id }) => _id) } }] });
    });
}

const firstHalf = <T>(items: readonly T[]) => items.slice(0, Math.ceil(items.length / 2));

function asObject(value: unknown): object {
  if (typeof value === 'object' && value !== null) return value;
  throw new Error('A query gives a cursor, and has a filter');
}
