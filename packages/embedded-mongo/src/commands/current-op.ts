import { DateTime, Doc, isNumeric, toDouble } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { Matcher } from '../query/match.ts';
import { type CommandContext, ok } from './context.ts';

interface Running {
  readonly id: number;
  readonly context: CommandContext;
  readonly startedMs: number;
}

function describe({ id, context, startedMs }: Running): Doc {
  const { engine, command, name, database, connectionId } = context;
  const ms = Date.now() - startedMs;
  const collection = command.values[0];
  return Doc.of({
    type: 'op',
    host: `${engine.host}:${engine.port}`,
    desc: `conn${connectionId}`,
    connectionId,
    appName: engine.appNames.get(connectionId),
    active: true,
    currentOpTime: new DateTime(Date.now()),
    opid: id,
    lsid: command.get('lsid'),
    secs_running: BigInt(Math.floor(ms / 1000)),
    microsecs_running: BigInt(ms * 1000),
    op: name === 'getMore' ? 'getmore' : 'command',
    ns: `${database}.${typeof collection === 'string' ? collection : '$cmd'}`,
    command,
  });
}

/** All commands that are running, this one included. */
export function runningOperations(context: CommandContext): Doc[] {
  const { operations } = context.engine.runner;
  const own = { id: operations.takeId(), context, startedMs: Date.now() };
  return [own, ...operations].map(describe);
}

const OPTIONS = new Set([
  'currentOp',
  'comment',
  'lsid',
  'maxTimeMS',
  'apiVersion',
  'apiStrict',
  'apiDeprecationErrors',
]);

/** Manual: reference/command/currentOp. Further fields of the command are conditions. */
export function currentOp(context: CommandContext): Doc {
  const conditions = [...context.command.entries()].filter(([key]) => !key.startsWith('$') && !OPTIONS.has(key));
  const filter = new Matcher(Doc.of(Object.fromEntries(conditions)));
  return ok({ inprog: runningOperations(context).filter((doc) => filter.matches(doc)) });
}

/** Manual: reference/command/killOp. An operation that has ended already is no error. */
export function killOp({ command, engine }: CommandContext): Doc {
  const id = command.get('op');
  if (!isNumeric(id)) throw new MongoError(ErrorCode.NoSuchKey, 'Did not provide "op" field');
  engine.runner.operations.kill(toDouble(id));
  return ok({ info: 'attempting to kill op' });
}
