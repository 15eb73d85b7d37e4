import type { Types } from 'mongoose';
import { CLOCK_TOLERANCE_MS, isLedgerKind, KEY_RETENTION_MS } from '../domain/ledger.ts';
import type { AuditEntry } from '../models/AuditEntry.ts';
import { auditOf, generationsOf, ledgerOf, usersOf } from '../models/collections.ts';
import { insertMissing } from '../models/duplicateKey.ts';
import type { GenerationCharge, ImageGeneration } from '../models/ImageGeneration.ts';
import type { LedgerEntry } from '../models/LedgerEntry.ts';
import { closingStatement, leavesAt } from '../models/statements/closing.ts';
import { oweEndings, oweExpiries } from '../models/statements/endings.ts';
import { tellOfEntries } from '../models/statements/ledgerWatch.ts';
import { cancelled } from '../models/statements/moves.ts';
import { placed } from '../models/statements/placement.ts';
import type { Store } from '../models/store.ts';
import type { OpenEntry, User } from '../models/User.ts';
import { admitWaiting } from './admission.ts';

type Holder = Pick<User, '_id' | 'openEntries'>;
type Owned = { userId: Types.ObjectId; entry: OpenEntry };

/** The ledger holds another entry in the place of one that is to be settled: the account is damaged, and stays as it is. */
export class LedgerConflictError extends Error {
  override readonly name = 'LedgerConflictError';
}

/** What one settlement did; an account is moved also by a key that is forgotten. */
export interface Settled {
  entriesSettled: number;
  /** Generations that have entered the queue. */
  generationsAdmitted: number;
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
  await cancelForDeleted(store, open);
  await oweEndingsOfDeleted(store, open);
  const generationsAdmitted = await admitWaiting(store, usersWhoseQueueMoved(open));
  await recordLedger(store, open);
  await recordActs(store, open);
  await releaseObligations(store, open);
  const accountsMoved = await closeEntries(store, holders);
  return { entriesSettled: open.length, generationsAdmitted, accountsMoved };
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
        waitingSince: { $cond: [waits, now, '$$REMOVE'] },
        owes: { $cond: [{ $in: ['$status', ['failed', 'cancelled']] }, 'refund', '$owes'] },
      },
    },
  ];
}

/**
 * Nobody waits any more for what a deleted account has asked for: it is cancelled and then owes its refund. A generation that is being
 * processed runs on. What was made after a restoration is newer than the deletion and stays.
 */
async function cancelForDeleted(store: Store, open: Owned[]): Promise<void> {
  const statement = cancelled(store.clock.now());
  const updates = open.flatMap(({ userId, entry: { kind, at } }) =>
    kind === 'deletion'
      ? [
          {
            updateMany: {
              filter: { userId, isDeleted: false, status: 'pending' as const, createdAt: { $lte: at } },
              update: statement,
            },
          },
        ]
      : [],
  );
  if (updates.length > 0) await generationsOf(store).bulkWrite(updates, { ordered: false });
}

/** Nobody is billed for an account that they have deleted. */
async function oweEndingsOfDeleted(store: Store, open: Owned[]): Promise<void> {
  const deleted = open.filter(({ entry }) => entry.kind === 'deletion').map(({ userId }) => userId);
  if (deleted.length === 0) return;
  await oweEndings(store, deleted, { isNews: true });
  await oweExpiries(store, deleted);
}

/**
 * Whoever has paid for a generation, had one end, or changed tier: a generation may wait beside a free slot. Whatever frees a slot owes
 * something by the same write, and so comes by here; the entry is open until its user's queue has moved on.
 */
function usersWhoseQueueMoved(open: Owned[]): Types.ObjectId[] {
  const moved = open.filter(({ entry: { kind, generationId } }) => generationId !== undefined || kind === 'terms');
  return [...new Map(moved.map(({ userId }) => [userId.toHexString(), userId])).values()];
}

async function recordLedger(store: Store, open: Owned[]): Promise<void> {
  const entries = open.map(ledgerEntryOf).filter((entry) => entry !== null);
  if (entries.length === 0) return;
  const refused = await insertMissing(() => ledgerOf(store).insertMany(entries, { ordered: false }));
  const isRefused = new Set(refused);
  tellOfEntries(
    store,
    entries.filter((_, index) => !isRefused.has(index)),
  );
  const ids = refused.map((index) => entries[index]?._id).filter((id) => id !== undefined);
  if (ids.length === 0) return;
  const present = await ledgerOf(store).countDocuments({ _id: { $in: ids } });
  if (present !== ids.length)
    throw new LedgerConflictError(`The ledger holds other entries in the place of ${ids.join(', ')}`);
}

function ledgerEntryOf({ userId, entry }: Owned): LedgerEntry | null {
  const { id, kind, sequence, balance, generation: _, act: __, settledAt: ___, ...rest } = placed(entry);
  if (!isLedgerKind(kind) || sequence === undefined || balance === undefined) return null;
  return { _id: id, userId, kind, sequence, balance, ...rest };
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
async function closeEntries(store: Store, holders: Holder[]): Promise<number> {
  const now = store.clock.now();
  const changing = holders.filter(({ openEntries }) =>
    Object.values(openEntries).some((entry) => leavesAt(entry, now)),
  );
  if (changing.length === 0) return 0;
  await usersOf(store).bulkWrite(
    changing.map(({ _id, openEntries }) => ({
      updateOne: { filter: { _id }, update: closingStatement(openEntries, now) },
    })),
    { ordered: false },
  );
  return changing.length;
}
