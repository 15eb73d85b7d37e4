import { Types } from 'mongoose';
import type { Act } from '../domain/audit.ts';
import type { AuditEntry, AuditSubject } from '../models/AuditEntry.ts';
import { type ActHolderModel, actHoldersOf, auditOf } from '../models/collections.ts';
import { insertMissing } from '../models/duplicateKey.ts';
import { withoutActs } from '../models/statements/acts.ts';
import type { Store } from '../models/store.ts';

/** Writes what changes no document: a look at somebody's data, a run of maintenance. Before it is done. */
export async function recordAct(store: Store, act: Act, subject?: AuditSubject): Promise<void> {
  const entry = { _id: new Types.ObjectId(), ...act, at: store.clock.now(), ...(subject && { subject }) };
  await auditOf(store).insertOne(entry);
}

/** A place in the audit trail, newest first. */
export interface AuditPosition {
  at: Date;
  id: Types.ObjectId;
}

export function listAudit(
  store: Store,
  { after, limit }: { after?: AuditPosition | undefined; limit: number },
): Promise<AuditEntry[]> {
  const older = after && { at: { $lte: after.at }, $or: [{ at: { $lt: after.at } }, { _id: { $lt: after.id } }] };
  return auditOf(store)
    .find(older ?? {})
    .sort({ at: -1, _id: -1 })
    .limit(limit)
    .toArray();
}

const BATCH = 100;

/**
 * Copies to the audit trail the acts that stand in generations and subscriptions, and takes them away there. It may be cut off
 * anywhere and be run by many at once.
 *
 * @returns how many were copied
 */
export async function recordOpenActs(store: Store): Promise<number> {
  return (await copyActs(store, 'ImageGeneration')) + (await copyActs(store, 'Subscription'));
}

async function copyActs(store: Store, model: ActHolderModel): Promise<number> {
  const collection = actHoldersOf(store, model);
  const holders = await collection
    .find({ 'openActs.at': { $gte: new Date(0) } }, { projection: { openActs: 1 } })
    .limit(BATCH)
    .toArray();
  const entries = holders.flatMap(({ _id, openActs = [] }) =>
    openActs.map(({ id, ...act }): AuditEntry => ({ _id: id, ...act, subject: { model, id: _id } })),
  );
  if (entries.length === 0) return 0;
  await insertMissing(() => auditOf(store).insertMany(entries, { ordered: false }));
  const ids = entries.map(({ _id }) => _id);
  await collection.updateMany({ _id: { $in: holders.map(({ _id }) => _id) } }, withoutActs(ids));
  return entries.length;
}
