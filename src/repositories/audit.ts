import { Types } from 'mongoose';
import type { Act } from '../domain/audit.ts';
import type { AuditEntry, AuditSubject } from '../models/AuditEntry.ts';
import {
  ACT_HOLDER_MODELS,
  type ActHolder,
  type ActHolderModel,
  actHoldersOf,
  auditOf,
} from '../models/collections.ts';
import { insertMissing } from '../models/duplicateKey.ts';
import { withoutActs } from '../models/statements/acts.ts';
import type { Store } from '../models/store.ts';

/** Writes what changes no document: a look at somebody's data, a run of maintenance. Before it is done. */
export async function recordAct(store: Store, act: Act, subject?: AuditSubject): Promise<void> {
  const entry = { _id: new Types.ObjectId(), ...act, at: store.clock.now(), ...(subject && { subject }) };
  await auditOf(store).insertOne(entry);
}

/** Writes one act on each of these documents. Before anything of them is told. */
export async function recordActOn(store: Store, act: Act, subjects: readonly AuditSubject[]): Promise<void> {
  if (subjects.length === 0) return;
  const at = store.clock.now();
  await auditOf(store).insertMany(subjects.map((subject) => ({ _id: new Types.ObjectId(), ...act, subject, at })));
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

/** Documents whose acts the audit trail does not have yet, but for those `except`. */
export function holdersOfActs(
  store: Store,
  model: ActHolderModel,
  limit: number,
  except: readonly Types.ObjectId[] = [],
): Promise<ActHolder[]> {
  return actHoldersOf(store, model)
    .find({ 'openActs.at': { $gte: new Date(0) }, _id: { $nin: [...except] } }, { projection: { openActs: 1 } })
    .limit(limit)
    .toArray();
}

/** Brings to the audit trail what stands in documents of one user. Whoever may still act is not waited for. */
export async function recordActsOf(store: Store, userId: Types.ObjectId): Promise<void> {
  for (const model of ACT_HOLDER_MODELS) {
    const holders = await actHoldersOf(store, model)
      .find({ userId, 'openActs.at': { $gte: new Date(0) } }, { projection: { openActs: 1 } })
      .toArray();
    await recordOpenActs(store, model, holders);
  }
}

/**
 * Copies to the audit trail the acts that stand in these documents, and takes them away there. It may be cut off anywhere and be run
 * by many at once.
 *
 * @returns how many were copied
 */
export async function recordOpenActs(
  store: Store,
  model: ActHolderModel,
  holders: readonly ActHolder[],
): Promise<number> {
  const entries = holders.flatMap(({ _id, openActs = [] }) =>
    openActs.map(({ id, ...act }): AuditEntry => ({ _id: id, ...act, subject: { model, id: _id } })),
  );
  if (entries.length === 0) return 0;
  await insertMissing(() => auditOf(store).insertMany(entries, { ordered: false }));
  const ids = entries.map(({ _id }) => _id);
  const filter = { _id: { $in: holders.map(({ _id }) => _id) } };
  await actHoldersOf(store, model).updateMany(filter, withoutActs(ids));
  return entries.length;
}

/** Like {@link recordAct}, for what may be begun again: one line however often. */
export async function recordActOnce(
  store: Store,
  _id: Types.ObjectId,
  act: Act,
  subject?: AuditSubject,
): Promise<void> {
  const entry = { _id, ...act, at: store.clock.now(), ...(subject && { subject }) };
  await insertMissing(() => auditOf(store).insertMany([entry], { ordered: false }));
}
