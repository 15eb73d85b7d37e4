import { DateTime, Doc, Double, ObjectId } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { SESSION_MINUTES } from '../server/sessions.ts';
import { type CommandContext, ok } from './context.ts';

/** The wire protocol version of MongoDB 8.0. */
const MAX_WIRE_VERSION = 25;
const electionId = ObjectId.fromHex('7fffffff0000000000000001');

/** Manual: reference/command/hello. The server presents itself as the primary of a replica set of one. */
export function hello(context: CommandContext): Doc {
  const { engine, connectionId, name } = context;
  noteApplication(context);
  const me = `${engine.host}:${engine.port}`;
  const now = Date.now();
  const opTime = Doc.of({ ts: engine.clock.now, t: 1n });
  return ok({
    helloOk: true,
    ...(name === 'hello' ? { isWritablePrimary: true } : { ismaster: true }),
    secondary: false,
    setName: engine.replicaSet,
    setVersion: 1,
    electionId,
    hosts: [me],
    me,
    primary: me,
    lastWrite: Doc.of({
      opTime,
      lastWriteDate: new DateTime(now),
      majorityOpTime: opTime,
      majorityWriteDate: new DateTime(now),
    }),
    maxBsonObjectSize: 16 * 1024 * 1024,
    maxMessageSizeBytes: 48_000_000,
    maxWriteBatchSize: 100_000,
    localTime: new DateTime(now),
    logicalSessionTimeoutMinutes: SESSION_MINUTES,
    connectionId,
    minWireVersion: 0,
    maxWireVersion: MAX_WIRE_VERSION,
    readOnly: false,
  });
}

/** A client says its name in the handshake. */
function noteApplication({ command, engine, connectionId }: CommandContext): void {
  const client = command.get('client');
  const application = client instanceof Doc ? client.get('application') : undefined;
  const name = application instanceof Doc ? application.get('name') : undefined;
  if (typeof name === 'string') engine.appNames.set(connectionId, name);
}

export function configureFailPoint({ command, engine }: CommandContext): Doc {
  engine.failPoints.configure(command);
  return ok();
}

export function ping(): Doc {
  return ok();
}

export function buildInfo({ engine }: CommandContext): Doc {
  return ok({
    version: engine.version,
    gitVersion: 'embedded-mongo',
    modules: [],
    sysInfo: 'deprecated',
    versionArray: [...engine.version.split('.').map(Number), 0],
    bits: 64,
    debug: false,
    maxBsonObjectSize: 16 * 1024 * 1024,
    storageEngines: ['embedded'],
  });
}

export function serverStatus({ engine }: CommandContext): Doc {
  const uptime = (Date.now() - engine.startedAt) / 1000;
  const memory = process.memoryUsage();
  return ok({
    host: `${engine.host}:${engine.port}`,
    version: engine.version,
    process: 'embedded-mongo',
    pid: BigInt(process.pid),
    uptime: new Double(uptime),
    uptimeMillis: BigInt(Math.round(uptime * 1000)),
    localTime: new DateTime(Date.now()),
    connections: Doc.of({ current: engine.connections, available: 65_535 }),
    mem: Doc.of({ bits: 64, resident: Math.round(memory.rss / 1_048_576) }),
    metrics: Doc.of({ cursor: Doc.of({ open: Doc.of({ total: BigInt(engine.cursors.size) }) }) }),
    transactions: Doc.of({ currentOpen: BigInt(engine.transactions.open) }),
    repl: Doc.of({ setName: engine.replicaSet, isWritablePrimary: true, secondary: false }),
    storageEngine: Doc.of({ name: 'embedded', persistent: engine.isDurable }),
  });
}

export function connectionStatus(): Doc {
  return ok({ authInfo: Doc.of({ authenticatedUsers: [], authenticatedUserRoles: [] }) });
}

/** `commitTransaction` and `abortTransaction` without the number of a transaction. */
export function outsideTransaction({ name, database }: CommandContext): never {
  if (database !== 'admin') {
    throw new MongoError(ErrorCode.Unauthorized, `${name} may only be run against the admin database.`);
  }
  throw new MongoError(ErrorCode.CommandFailed, `${name} must be run within a transaction`);
}
