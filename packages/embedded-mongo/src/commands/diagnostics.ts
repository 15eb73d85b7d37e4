import { arch, cpus, hostname, platform, release, totalmem } from 'node:os';
import { DateTime, Doc, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError, searchNotEnabled } from '../errors.ts';
import { type CommandContext, namespaceOf, ok } from './context.ts';
import { isView } from './views.ts';

/** Manual: reference/command/validate. Every index has to hold exactly the keys of the documents stored. */
export function validate(context: CommandContext): Doc {
  const ns = namespaceOf(context);
  const collection = context.engine.store.get(ns);
  if (collection === undefined) {
    throw new MongoError(ErrorCode.NamespaceNotFound, `Collection '${ns}' does not exist to validate.`);
  }
  if (isView(collection)) {
    throw new MongoError(ErrorCode.CommandNotSupportedOnView, 'Cannot validate a view');
  }
  const errors: Value[] = [];
  let nNonCompliantDocuments = 0;
  for (const doc of collection.records.values()) {
    if (collection.validator?.matches(doc) === false) nNonCompliantDocuments += 1;
  }
  const details: Value[] = [];
  const names: string[] = [];
  const counts: Value[] = [];
  for (const index of collection.listedIndexes) {
    const expected = new Map<number, number>();
    for (const [recordId, doc] of collection.records.entries()) {
      const keys = new Set(index.keysOf(doc)?.keys).size;
      if (keys > 0) expected.set(recordId, keys);
    }
    for (const [, recordId] of index.tree.entries()) expected.set(recordId, (expected.get(recordId) ?? 0) - 1);
    const differs = [...expected.values()].some((left) => left !== 0);
    if (differs) errors.push(`index ${index.spec.name} is out of step with its collection`);
    details.push(Doc.of({ valid: !differs }));
    names.push(index.spec.name);
    counts.push(index.tree.size);
  }
  return ok({
    ns,
    uuid: collection.uuid,
    nInvalidDocuments: 0,
    nNonCompliantDocuments,
    nrecords: collection.records.size,
    nIndexes: names.length,
    keysPerIndex: new Doc(names, counts),
    indexDetails: new Doc(names, details),
    valid: errors.length === 0,
    repaired: false,
    warnings:
      nNonCompliantDocuments === 0
        ? []
        : ['Detected one or more documents not compliant with the schema rules of the collection.'],
    errors,
    extraIndexEntries: [],
    missingIndexEntries: [],
    corruptRecords: [],
  });
}

export function getCmdLineOpts(): Doc {
  return ok({ argv: ['embedded-mongo'], parsed: Doc.EMPTY });
}

export function hostInfo(): Doc {
  return ok({
    system: Doc.of({
      currentTime: new DateTime(Date.now()),
      hostname: hostname(),
      cpuAddrSize: 64,
      memSizeMB: BigInt(Math.round(totalmem() / 1_048_576)),
      numCores: cpus().length,
      cpuArch: arch(),
    }),
    os: Doc.of({ type: platform(), name: platform(), version: release() }),
  });
}

/** There is no log to show. */
export function getLog({ command }: CommandContext): Doc {
  if (command.values[0] === '*') return ok({ names: ['global', 'startupWarnings'] });
  return ok({ totalLinesWritten: 0, log: [] });
}

export function whatsMyUri({ connectionId }: CommandContext): Doc {
  return ok({ you: `127.0.0.1:${connectionId}` });
}

/** An acknowledged write needs no more: `w: 'majority'` and `j: true` wait for the disk. */
export function fsync(): Doc {
  return ok({ numFiles: 1 });
}

/** Manual: reference/command/replSetGetStatus: one member, the primary. */
export function replSetGetStatus({ engine }: CommandContext): Doc {
  const optime = Doc.of({ ts: engine.clock.now, t: 1n });
  const uptime = Math.floor((Date.now() - engine.startedAt) / 1000);
  const name = `${engine.host}:${engine.port}`;
  const member = { _id: 0, name, health: 1, state: 1, stateStr: 'PRIMARY', uptime, optime, self: true };
  return ok({
    set: engine.replicaSet,
    date: new DateTime(Date.now()),
    myState: 1,
    term: 1n,
    heartbeatIntervalMillis: 2000n,
    members: [Doc.of(member)],
  });
}

export function withoutSearch({ name }: CommandContext): never {
  throw searchNotEnabled(name);
}
