import type { Types } from 'mongoose';
import { isLedgerKind } from '../domain/ledger.ts';
import { generationsOf, ledgerOf, usersOf } from '../models/collections.ts';
import type { LedgerEntry } from '../models/LedgerEntry.ts';
import { placed } from '../models/statements/placement.ts';
import type { Store } from '../models/store.ts';
import type { OpenEntry, User } from '../models/User.ts';
import { everyGenerationOf } from '../repositories/generations.ts';

/** A user for whom the books do not balance, and every way in which they do not. */
export interface Violation {
  userId: Types.ObjectId;
  clerkUserId: string;
  problems: string[];
}

export interface Verification {
  usersChecked: number;
  violations: Violation[];
}

type Line = Pick<LedgerEntry, 'sequence' | 'kind' | 'credits' | 'period' | 'generationId' | 'chargeId'> & {
  _id: Types.ObjectId;
};

const BATCH = 100;

/**
 * Holds every account against its ledger: usage is charges less refunds of the period, grants are the period's grants, the sequence has
 * no gap, every charge of the running period that was not given back has its generation, and what failed or was cancelled has been given back. An open entry
 * counts as the ledger's line that it is about to become. True at any quiet moment.
 *
 * @param onProgress told how many users have been checked
 */
export async function verifyLedger(store: Store, onProgress?: (usersChecked: number) => void): Promise<Verification> {
  const violations: Violation[] = [];
  let usersChecked = 0;
  let after: Types.ObjectId | undefined;
  for (;;) {
    const users = await usersOf(store)
      .find(after ? { _id: { $gt: after } } : {})
      .sort({ _id: 1 })
      .limit(BATCH)
      .toArray();
    if (users.length === 0) return { usersChecked, violations };
    for (const user of users) {
      const problems = await problemsOf(store, user);
      if (problems.length > 0) violations.push({ userId: user._id, clerkUserId: user.clerkUserId, problems });
    }
    usersChecked += users.length;
    after = users.at(-1)?._id;
    onProgress?.(usersChecked);
  }
}

async function problemsOf(store: Store, user: User): Promise<string[]> {
  const stored: Line[] = await ledgerOf(store).find({ userId: user._id }).sort({ sequence: 1 }).toArray();
  const lines = withOpenEntries(stored, user);
  const ofPeriod = lines.filter(({ period }) => period === user.periodNumber);
  const used = sumOf(ofPeriod, 'charge') - sumOf(ofPeriod, 'refund');
  const granted = sumOf(ofPeriod, 'grant');
  return [
    ...(used === user.monthlyUsage ? [] : [`used ${user.monthlyUsage}, but the ledger says ${used}`]),
    ...(granted === user.grantedCredits ? [] : [`granted ${user.grantedCredits}, but the ledger says ${granted}`]),
    ...gapsOf(lines, user.entrySequence),
    ...(await chargesWithoutGeneration(store, user, ofPeriod)),
    ...(await unpaidRefunds(store, user, lines)),
  ];
}

function withOpenEntries(stored: Line[], { openEntries }: User): Line[] {
  const known = new Set(stored.map(({ _id }) => _id.toHexString()));
  const open = Object.values(openEntries)
    .map(lineOf)
    .filter((line) => line !== null)
    .filter(({ _id }) => !known.has(_id.toHexString()));
  return [...stored, ...open].sort((a, b) => a.sequence - b.sequence);
}

function lineOf(entry: OpenEntry): Line | null {
  const { id, kind, sequence, ...rest } = placed(entry);
  if (!isLedgerKind(kind) || sequence === undefined) return null;
  return { _id: id, kind, sequence, ...rest };
}

function sumOf(lines: Line[], kind: Line['kind']): number {
  return lines.filter((line) => line.kind === kind).reduce((sum, { credits }) => sum + credits, 0);
}

function gapsOf(lines: Line[], newest: number): string[] {
  const gap = lines.findIndex(({ sequence }, index) => sequence !== index + 1);
  if (gap !== -1) return [`the ledger's entry ${gap + 1} is missing or doubled`];
  return lines.length === newest ? [] : [`the ledger ends at ${lines.length}, but the account counted to ${newest}`];
}

/** Cleanup removes what was given back, and what was delivered when its period is over. */
async function chargesWithoutGeneration(store: Store, user: User, ofPeriod: Line[]): Promise<string[]> {
  if (user.quotaResetDate <= store.clock.now()) return [];
  const refunded = refundedOf(ofPeriod);
  const paid = ofPeriod
    .filter(({ kind, _id }) => kind === 'charge' && !refunded.has(_id.toHexString()))
    .map(({ generationId }) => generationId);
  const wanted = paid.filter((id) => id !== undefined);
  const found = await generationsOf(store)
    .find({ _id: { $in: wanted }, userId: user._id }, { projection: { _id: 1 } })
    .toArray();
  const present = new Set([
    ...found.map(({ _id }) => _id.toHexString()),
    ...Object.values(user.openEntries).flatMap(({ generation }) => (generation ? [generation._id.toHexString()] : [])),
  ]);
  return wanted
    .filter((id) => !present.has(id.toHexString()))
    .map((id) => `generation ${id} was charged but does not exist`);
}

async function unpaidRefunds(store: Store, user: User, lines: Line[]): Promise<string[]> {
  const refunded = refundedOf(lines);
  const ended = await generationsOf(store)
    .find(
      { ...everyGenerationOf(user._id, { status: { $in: ['failed', 'cancelled'] } }), charge: { $exists: true } },
      { projection: { charge: 1, status: 1 } },
    )
    .toArray();
  return ended
    .filter(({ charge }) => charge && !refunded.has(charge.id.toHexString()))
    .map(({ _id, status }) => `generation ${_id} is ${status} but was not refunded`);
}

/** The charges that were given back. */
function refundedOf(lines: Line[]): Set<string> {
  return new Set(
    lines.flatMap(({ kind, chargeId }) => (kind === 'refund' && chargeId ? [chargeId.toHexString()] : [])),
  );
}
