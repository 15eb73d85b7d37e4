import type { Types } from 'mongoose';
import { CLOCK_TOLERANCE_MS, isLedgerKind, KEY_RETENTION_MS } from '../domain/ledger.ts';
import type { AuditEntry } from '../models/AuditEntry.ts';
import { auditOf, generationsOf, ledgerOf, usersOf } from '../models/collections.ts';
import { insertMissing } from '../models/duplicateKey.ts';
import type { GenerationCharge, ImageGeneration } from '../models/ImageGeneration.ts';
import type { LedgerEntry } from '../models/LedgerEntry.ts';
import { ONCE_ONLY } from '../models/statements/posting.ts';
import type { Store } from '../models/store.ts';
import type { OpenEntry, User } from '../models/User.ts';

type Holder = Pick<User, '_id' | 'openEntries'>;
type Owned = { userId: Types.ObjectId; entry: OpenEntry };

/** The ledger holds another entry in the place of one that is to be settled: the account is damaged, and stays as it is. */
export class LedgerConflictError extends Error {
  override readonly name = 'LedgerConflictError';
}

/** What one settlement did; an account is moved also by a key that is forgotten. */
export interface Settled {
  entriesSettled: number;
  accountsMoved: number;
}

/** How many accounts are settled by one round of commands. */
export const SETTLEMENT_BATCH = 100;

/**
 * Settles the accounts: brings generations, ledger and audit trail up to their open entries, then closes those entries. Every step may be
 * repeated, run by many processes at once, or be cut off anywhere; the next settlement goes on from there.
 *
 * A charge is thereby carried forward, never back: the generation that it paid for is recorded even if the process that took
 * the credits died before it could.
 *
 * @throws {LedgerConflictError} when the ledger already holds another entry in the place of one of these; nothing of that account is closed
 */
export async function settle(store: Store, userIds: readonly Types.ObjectId[]): Promise<Settled> {
  const holders: Holder[] = await usersOf(store)
    .find({ _id: { $in: [...userIds] } }, { projection: { openEntries: 1 } })
    .toArray();
  const open = holders.flatMap(openEntriesOf);
  await recordGenerations(store, open);
  await attachCharges(store, open);
  await recordLedger(store, open);
  await recordActs(store, open);
  await releaseObligations(store, open);
  const accountsMoved = await closeEntries(store, holders, open);
  return { entriesSettled: open.length, accountsMoved };
}

/**
 * Accounts whose sweep was due at `dueBy`, the oldest first, but for those `except`. One that is due later than any sweep can be ordered now is of a
 * clock that has been set back since, and is taken too.
 */
export async function accountsToSettle(
  store: Store,
  dueBy: Date,
  except: readonly Types.ObjectId[] = [],
): Promise<Types.ObjectId[]> {
  const latest = new Date(store.clock.now().getTime() + KEY_RETENTION_MS + CLOCK_TOLERANCE_MS);
  const due = await usersOf(store)
    .find(
      { $or: [{ sweepAt: { $lte: dueBy } }, { sweepAt: { $gt: latest } }], _id: { $nin: [...except] } },
      { projection: { _id: 1 } },
    )
    .sort({ sweepAt: 1 })
    .limit(SETTLEMENT_BATCH)
    .toArray();
  return due.map(({ _id }) => _id);
}

/** The generation that an open charge has paid for, or null when it paid for none or has been settled. */
export function generationOf(userId: Types.ObjectId, entry: OpenEntry): ImageGeneration | null {
  if (!entry.generation) return null;
  const charge = { id: entry.id, credits: entry.credits, period: entry.period };
  return { ...entry.generation, userId, charge };
}

function openEntriesOf({ _id, openEntries }: Holder): Owned[] {
  return Object.values(openEntries)
    .filter((entry) => entry.settledAt === undefined)
    .map((entry) => ({ userId: _id, entry }));
}

async function recordGenerations(store: Store, open: Owned[]): Promise<void> {
  const paid = open.map(({ userId, entry }) => generationOf(userId, entry)).filter((generation) => generation !== null);
  if (paid.length === 0) return;
  await insertMissing(() => generationsOf(store).insertMany(paid, { ordered: false }));
}

/**
 * A generation that was recorded before it was paid now knows its charge: it may be claimed while it waits, and is owed a
 * refund where it has failed or was cancelled meanwhile.
 */
async function attachCharges(store: Store, open: Owned[]): Promise<void> {
  const now = store.clock.now();
  const updates = open.flatMap(({ userId, entry: { kind, id, credits, period, generation, generationId } }) =>
    kind === 'charge' && generationId && !generation
      ? [
          {
            updateOne: {
              filter: { _id: generationId, userId, charge: { $exists: false } },
              update: attachment({ id, credits, period }, now),
            },
          },
        ]
      : [],
  );
  if (updates.length > 0) await generationsOf(store).bulkWrite(updates, { ordered: false });
}

function attachment(charge: GenerationCharge, now: Date) {
  const waits = { $and: [{ $eq: ['$status', 'pending'] }, { $eq: ['$isDeleted', false] }] };
  return [
    {
      $set: {
        charge,
        availableAt: { $cond: [waits, now, '$$REMOVE'] },
        owes: { $cond: [{ $in: ['$status', ['failed', 'cancelled']] }, 'refund', '$owes'] },
      },
    },
  ];
}

async function recordLedger(store: Store, open: Owned[]): Promise<void> {
  const entries = open.map(ledgerEntryOf).filter((entry) => entry !== null);
  if (entries.length === 0) return;
  const refused = await insertMissing(() => ledgerOf(store).insertMany(entries, { ordered: false }));
  const ids = refused.map((index) => entries[index]?._id).filter((id) => id !== undefined);
  if (ids.length === 0) return;
  const present = await ledgerOf(store).countDocuments({ _id: { $in: ids } });
  if (present !== ids.length)
    throw new LedgerConflictError(`The ledger holds other entries in the place of ${ids.join(', ')}`);
}

function ledgerEntryOf({ userId, entry }: Owned): LedgerEntry | null {
  const { id, kind, sequence, generation: _, act: __, settledAt: ___, ...rest } = entry;
  if (!isLedgerKind(kind) || sequence === undefined) return null;
  return { _id: id, userId, kind, sequence, ...rest };
}

async function recordActs(store: Store, open: Owned[]): Promise<void> {
  const entries = open.map(auditEntryOf).filter((entry) => entry !== null);
  if (entries.length > 0) await insertMissing(() => auditOf(store).insertMany(entries, { ordered: false }));
}

function auditEntryOf({ userId, entry: { id, at, act } }: Owned): AuditEntry | null {
  return act ? { _id: id, ...act, subject: { model: 'User', id: userId }, at } : null;
}

/** A generation owes nothing any more once its refund or delivery stands in the account. */
async function releaseObligations(store: Store, open: Owned[]): Promise<void> {
  const ids = open
    .filter(({ entry }) => entry.kind === 'refund' || entry.kind === 'delivery')
    .map(({ entry }) => entry.generationId)
    .filter((id) => id !== undefined);
  if (ids.length === 0) return;
  await generationsOf(store).updateMany({ _id: { $in: ids } }, { $unset: { owes: 1 } });
}

/** @returns how many accounts had something to close or to forget */
async function closeEntries(store: Store, holders: Holder[], open: Owned[]): Promise<number> {
  const now = store.clock.now();
  const changing = holders.filter(({ openEntries }) =>
    Object.values(openEntries).some((entry) => leavesAt(entry, now)),
  );
  if (changing.length === 0) return 0;
  const settled = open.map(({ entry }) => entry.id);
  await usersOf(store).updateMany({ _id: { $in: changing.map(({ _id }) => _id) } }, closingStatement(settled, now));
  return changing.length;
}

/** Whether an entry is to be closed or forgotten now, so that an account without any is not written to. */
function leavesAt({ settledAt }: OpenEntry, now: Date): boolean {
  return settledAt === undefined || settledAt <= forgottenBy(now);
}

/** What was settled by then is forgotten now. */
function forgottenBy(now: Date): Date {
  return new Date(now.getTime() - KEY_RETENTION_MS);
}

/**
 * Closes the entries with these ids. One that anybody could post again leaves its key behind for {@link KEY_RETENTION_MS},
 * so that a request which looked the key up before it was settled still meets it here; what leaves later is
 * remembered by `forgottenThrough`, which moves with every forgetting.
 */
function closingStatement(settled: Types.ObjectId[], now: Date) {
  const kept = { $filter: { input: '$closing', as: 'slot', cond: { $not: [expired('$$slot.v', now)] } } };
  const forgotten = {
    $map: {
      input: { $filter: { input: '$closing', as: 'slot', cond: expired('$$slot.v', now) } },
      as: 'slot',
      in: '$$slot.v.settledAt',
    },
  };
  return [
    { $set: { closing: { $filter: { input: marked(settled, now), as: 'slot', cond: remembered('$$slot') } } } },
    {
      $set: {
        openEntries: { $arrayToObject: kept },
        forgottenThrough: {
          $cond: [
            { $eq: [{ $size: forgotten }, 0] },
            '$forgottenThrough',
            { $max: [{ $add: ['$forgottenThrough', 1] }, { $max: forgotten }] },
          ],
        },
      },
    },
    { $set: { closing: { $objectToArray: '$openEntries' } } },
    { $set: { sweepAt: nextSweep() } },
    { $unset: 'closing' },
  ];
}

/** All entries as `{k, v}` pairs; those that are settled carry the instant, and no longer the generation. */
function marked(settled: Types.ObjectId[], now: Date) {
  return {
    $map: {
      input: { $objectToArray: '$openEntries' },
      as: 'slot',
      in: {
        $cond: [
          { $and: [{ $in: ['$$slot.v.id', settled] }, isMissing('$$slot.v.settledAt')] },
          {
            k: '$$slot.k',
            v: { $mergeObjects: [{ $unsetField: { field: 'generation', input: '$$slot.v' } }, { settledAt: now }] },
          },
          '$$slot',
        ],
      },
    },
  };
}

const isMissing = (path: string) => ({ $eq: [{ $type: path }, 'missing'] });

/** What is not settled stays; what is settled stays as long as somebody could post it again. */
function remembered(slot: string) {
  return { $or: [isMissing(`${slot}.v.settledAt`), { $ne: [{ $substrBytes: [`${slot}.k`, 0, 1] }, ONCE_ONLY] }] };
}

function expired(entry: string, now: Date) {
  return { $and: [{ $not: [isMissing(`${entry}.settledAt`)] }, { $lte: [`${entry}.settledAt`, forgottenBy(now)] }] };
}

/** At once while an entry is open; else when the first key may be forgotten; else never. */
function nextSweep() {
  const due = {
    $map: {
      input: '$closing',
      as: 'slot',
      in: {
        $cond: [isMissing('$$slot.v.settledAt'), '$$slot.v.at', { $add: ['$$slot.v.settledAt', KEY_RETENTION_MS] }],
      },
    },
  };
  return { $cond: [{ $eq: [{ $size: '$closing' }, 0] }, '$$REMOVE', { $min: due }] };
}
