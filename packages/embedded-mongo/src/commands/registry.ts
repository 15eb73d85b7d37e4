import type { Doc } from '../bson/values.ts';
import {
  buildInfo,
  configureFailPoint,
  connectionStatus,
  hello,
  outsideTransaction,
  ping,
  serverStatus,
} from './admin.ts';
import { aggregate, endsInWrite } from './aggregate.ts';
import { bulkWrite } from './bulk-write.ts';
import { cloneCollectionAsCapped, convertToCapped } from './capped.ts';
import { collMod, create, drop, dropDatabase, renameCollection } from './catalog.ts';
import type { Handler } from './context.ts';
import { count, distinct } from './count-distinct.ts';
import { currentOp, killOp } from './current-op.ts';
import {
  fsync,
  getCmdLineOpts,
  getLog,
  hostInfo,
  replSetGetStatus,
  validate,
  whatsMyUri,
  withoutSearch,
} from './diagnostics.ts';
import { explain } from './explain.ts';
import { find, getMore, killCursors } from './find.ts';
import { findAndModify } from './find-and-modify.ts';
import { createIndexes, dropIndexes, listIndexes } from './indexes.ts';
import { listCollections, listDatabases } from './listings.ts';
import { getParameter, setParameter } from './parameters.ts';
import { profile } from './profile.ts';
import {
  endSessions,
  killAllSessions,
  killAllSessionsByPattern,
  killSessions,
  refreshSessions,
  startSession,
} from './sessions.ts';
import { collStats, dbStats } from './statistics.ts';
import { insert, remove, update } from './write.ts';

export interface CommandEntry {
  readonly run: Handler;
  /** Whether it changes data, and thus may be retried and has to reach the journal before it is answered. */
  readonly writes: (command: Doc) => boolean;
}

const reads = (run: Handler): CommandEntry => ({ run, writes: () => false });
const writes = (run: Handler): CommandEntry => ({ run, writes: () => true });

/** All commands by name (manual: reference/command). */
export const commands: ReadonlyMap<string, CommandEntry> = new Map(
  Object.entries({
    hello: reads(hello),
    isMaster: reads(hello),
    ismaster: reads(hello),
    ping: reads(ping),
    // The commands by which drivers test the parameters of the stable API.
    testDeprecation: reads(ping),
    testVersion2: reads(ping),
    testVersions1And2: reads(ping),
    configureFailPoint: reads(configureFailPoint),
    validate: reads(validate),
    getCmdLineOpts: reads(getCmdLineOpts),
    hostInfo: reads(hostInfo),
    getLog: reads(getLog),
    whatsmyuri: reads(whatsMyUri),
    currentOp: reads(currentOp),
    killOp: reads(killOp),
    fsync: reads(fsync),
    profile: reads(profile),
    replSetGetStatus: reads(replSetGetStatus),
    buildInfo: reads(buildInfo),
    buildinfo: reads(buildInfo),
    serverStatus: reads(serverStatus),
    connectionStatus: reads(connectionStatus),
    getParameter: reads(getParameter),
    endSessions: reads(endSessions),
    startSession: reads(startSession),
    refreshSessions: reads(refreshSessions),
    killSessions: reads(killSessions),
    killAllSessions: reads(killAllSessions),
    killAllSessionsByPattern: reads(killAllSessionsByPattern),
    insert: writes(insert),
    update: writes(update),
    delete: writes(remove),
    bulkWrite: writes(bulkWrite),
    setParameter: reads(setParameter),
    findAndModify: writes(findAndModify),
    findandmodify: writes(findAndModify),
    find: reads(find),
    getMore: reads(getMore),
    killCursors: reads(killCursors),
    aggregate: { run: aggregate, writes: endsInWrite },
    count: reads(count),
    distinct: reads(distinct),
    explain: reads(explain),
    create: writes(create),
    drop: writes(drop),
    dropDatabase: writes(dropDatabase),
    renameCollection: writes(renameCollection),
    collMod: writes(collMod),
    convertToCapped: writes(convertToCapped),
    cloneCollectionAsCapped: writes(cloneCollectionAsCapped),
    createIndexes: writes(createIndexes),
    dropIndexes: writes(dropIndexes),
    deleteIndexes: writes(dropIndexes),
    listIndexes: reads(listIndexes),
    listCollections: reads(listCollections),
    listDatabases: reads(listDatabases),
    collStats: reads(collStats),
    dbStats: reads(dbStats),
    createSearchIndexes: reads(withoutSearch),
    updateSearchIndex: reads(withoutSearch),
    dropSearchIndex: reads(withoutSearch),
    commitTransaction: reads(outsideTransaction),
    abortTransaction: reads(outsideTransaction),
  }),
);
