import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue, ErrorCode, MongoError, typeMismatch } from '../errors.ts';
import type { Engine } from '../server/engine.ts';
import { type CommandContext, ok } from './context.ts';

/** One parameter of the server; without `set` it can only be read. */
interface Parameter {
  readonly get: (engine: Engine) => Value;
  readonly set?: (engine: Engine, value: Value, name: string) => void;
}

function positive(value: Value, name: string): number {
  if (!isNumeric(value)) throw typeMismatch(`Parameter ${name} has to be a number`);
  const number = toDouble(value);
  // MongoDB takes whole seconds; tests of expiry need not wait so long here.
  if (number > 0) return number;
  throw badValue(`Invalid value for parameter ${name}: ${number} is not greater than 0`);
}

function flag(value: Value, name: string): boolean {
  if (typeof value === 'boolean') return value;
  if (isNumeric(value)) return toDouble(value) !== 0;
  throw typeMismatch(`Parameter ${name} has to be a boolean`);
}

/** Manual: reference/parameters. Those that this server has, by name. */
const PARAMETERS = new Map<string, Parameter>(
  Object.entries<Parameter>({
    authenticationMechanisms: { get: () => [] },
    /** `configureFailPoint` can be used: for a server made for tests, test commands are always enabled. */
    enableTestCommands: { get: () => true },
    featureCompatibilityVersion: { get: () => Doc.of({ version: '8.0' }) },
    requireApiVersion: {
      get: (engine) => engine.requiresApiVersion,
      set: (engine, value, name) => {
        engine.requiresApiVersion = flag(value, name);
      },
    },
    transactionLifetimeLimitSeconds: {
      get: (engine) => engine.transactions.lifetimeSeconds,
      set: (engine, value, name) => {
        engine.transactions.lifetimeSeconds = positive(value, name);
      },
    },
    ttlMonitorSleepSecs: {
      get: (engine) => engine.ttl.intervalMs / 1000,
      set: (engine, value, name) => engine.ttl.start(positive(value, name) * 1000),
    },
  }),
);
/** What every command may carry beside its own fields. */
const GENERIC = new Set(['comment', 'lsid', 'maxTimeMS', 'apiVersion', 'apiStrict', 'apiDeprecationErrors']);
const isGeneric = (name: string): boolean => name.startsWith('$') || GENERIC.has(name);

function* asked(command: Doc): Generator<[string, Value]> {
  for (const [name, value] of [...command.entries()].slice(1)) {
    if (!isGeneric(name) && name !== 'allParameters' && name !== 'showDetails') yield [name, value];
  }
}

/** Manual: reference/command/getParameter. */
export function getParameter({ command, engine }: CommandContext): Doc {
  const which = command.values[0];
  const details = which instanceof Doc ? which : Doc.EMPTY;
  const all = which === '*' || details.get('allParameters') === true;
  const names = all ? [...PARAMETERS.keys()] : [...asked(command)].map(([name]) => name);
  const fields: Record<string, Value> = {};
  for (const name of names) {
    const parameter = PARAMETERS.get(name);
    if (parameter === undefined) continue;
    const value = parameter.get(engine);
    const settable = parameter.set !== undefined;
    fields[name] =
      details.get('showDetails') === true
        ? Doc.of({ value, settableAtRuntime: settable, settableAtStartup: false })
        : value;
  }
  if (Object.keys(fields).length === 0) throw new MongoError(ErrorCode.InvalidOptions, 'no option found to get');
  return ok(fields);
}

/** Manual: reference/command/setParameter. All names are looked at before anything is set. */
export function setParameter({ command, engine }: CommandContext): Doc {
  const changes = [...asked(command)].map(([name, value]) => {
    const parameter = PARAMETERS.get(name);
    if (parameter === undefined) {
      throw new MongoError(ErrorCode.InvalidOptions, `attempted to set unrecognized parameter [${name}]`);
    }
    if (parameter.set === undefined) {
      throw new MongoError(ErrorCode.IllegalOperation, `not allowed to change [${name}] at runtime`);
    }
    return { name, value, was: parameter.get(engine), set: parameter.set };
  });
  const [first] = changes;
  if (first === undefined) throw new MongoError(ErrorCode.InvalidOptions, 'no option found to set');
  for (const { set, name, value } of changes) set(engine, value, name);
  return ok({ was: first.was });
}
