import { DateTime, Doc, Double, isNumeric, ObjectId, toDouble } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import { sessionOf } from '../server/retries.ts';
import { type CommandContext, listField, ok } from './context.ts';

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
    logicalSessionTimeoutMinutes: 30,
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

export function endSessions({ command, engine }: CommandContext): Doc {
  for (const lsid of listField(command, command.keys[0] as string)) {
    const session = sessionOf(Doc.of({ lsid }));
    if (session === undefined) continue;
    engine.transactions.abortOf(session);
    engine.retries.forget(session);
  }
  return ok();
}

export function getParameter({ command }: CommandContext): Doc {
  if (command.values[0] === '*') return ok({ featureCompatibilityVersion: Doc.of({ version: '8.0' }) });
  if (command.has('featureCompatibilityVersion'))
    return ok({ featureCompatibilityVersion: Doc.of({ version: '8.0' }) });
  throw new MongoError(ErrorCode.InvalidOptions, 'no option found to get');
}

/** The parameters that can be set while running: those that tests of expiry need. */
export function setParameter({ command, engine }: CommandContext): Doc {
  const name = command.keys[1] ?? '';
  const seconds = command.values[1];
  const value = isNumeric(seconds) ? toDouble(seconds) : 0;
  if (value > 0 && name === 'ttlMonitorSleepSecs') {
    const was = engine.ttl.intervalMs / 1000;
    engine.ttl.start(value * 1000);
    return ok({ was });
  }
  if (value > 0 && name === 'transactionLifetimeLimitSeconds') {
    const was = engine.transactions.lifetimeSeconds;
    engine.transactions.lifetimeSeconds = value;
    return ok({ was });
  }
  throw new MongoError(ErrorCode.InvalidOptions, `unrecognized parameter [${name}]`);
}

/** `commitTransaction` and `abortTransaction` without the number of a transaction. */
export function outsideTransaction({ name, database }: CommandContext): never {
  if (database !== 'admin') {
    throw new MongoError(ErrorCode.Unauthorized, `${name} may only be run against the admin database.`);
  }
  throw new MongoError(ErrorCode.CommandFailed, `${name} must be run within a transaction`);
}

/** Ends the transactions of the sessions named, by their ids or by patterns; of all when none is named. */
export function killAllSessions({ command, engine }: CommandContext): Doc {
  const patterns = listField(command, command.keys[0] as string);
  const sessions = patterns.flatMap((pattern) => {
    const session = pattern instanceof Doc ? sessionOf(pattern) : undefined;
    return session === undefined ? [] : [session];
  });
  // There is no authentication, so that a pattern of users means everybody.
  if (sessions.length === 0) engine.transactions.abortAll();
  for (const session of sessions) engine.transactions.abortOf(session);
  return ok();
}
