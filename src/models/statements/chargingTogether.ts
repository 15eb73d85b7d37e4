import mongoose, { type Types } from 'mongoose';
import { UserNotFoundError } from '../../domain/errors.ts';
import { ledgerOf, usersOf } from '../collections.ts';
import type { Store } from '../store.ts';
import type { User } from '../User.ts';
import { CHARGED_FIELDS, type ChargedAccount, postInFull, type UserReference } from './accounts.ts';
import { ordinaryCharges } from './posting/ordinaryCharge.ts';
import { type ChargePosting, slotOf } from './posting/posting.ts';

/** A charge of which no key tells that it may have been made before; its id is new. */
export interface Taking {
  user: UserReference;
  posting: ChargePosting;
}

/** `account` is as it was right after the charge, or a moment later. */
export interface Taken {
  result: 'posted' | 'refused';
  account: ChargedAccount;
}

/** Charges of one account that share a statement: they are taken or left together, so that there should not be too many. */
const CHARGES_IN_STATEMENT = 32;

/** One charge, by itself. */
export async function chargeAlone(store: Store, taking: Taking): Promise<Taken> {
  const { user, posting } = taking;
  const admitted = await chargeGroup(store, { user, takings: [taking] }, store.clock.now());
  if (admitted) return { result: 'posted', account: admitted };
  const { result, account } = await postInFull(store, user, posting);
  return { result: result === 'posted' ? 'posted' : 'refused', account };
}

/** Up to so many statements go by themselves, each answered with its account: no more commands than together, and one round trip. */
const FEW_STATEMENTS = 2;

/**
 * Makes many charges at once: those of one account share a statement.
 *
 * @returns what became of each charge, in their order
 * @throws when it is not known what became of them
 */
export async function chargeTogether(store: Store, takings: readonly Taking[]): Promise<PromiseSettledResult<Taken>[]> {
  const now = store.clock.now();
  const groups = groupsOf(takings);
  return groups.length <= FEW_STATEMENTS
    ? chargeGroups(store, takings, groups, now)
    : chargeAccounts(store, takings, groups, now);
}

/** One statement and one answer for each group. One that does not fit as a whole has changed nothing, and its charges are tried by themselves. */
function chargeGroups(
  store: Store,
  takings: readonly Taking[],
  groups: readonly Group[],
  now: Date,
): Promise<PromiseSettledResult<Taken>[]> {
  const answers = new Map<Taking, Promise<ChargedAccount | null>>();
  for (const group of groups) {
    const answer = chargeGroup(store, group, now);
    for (const taking of group.takings) answers.set(taking, answer);
  }
  return Promise.allSettled(
    takings.map(async (taking) => {
      const account = await answers.get(taking);
      return account ? posted(account) : chargeAlone(store, taking);
    }),
  );
}

const ANSWER = { returnDocument: 'after', projection: CHARGED_FIELDS } as const;

function chargeGroup(store: Store, { user, takings }: Group, now: Date): Promise<ChargedAccount | null> {
  const { filter, update } = ordinaryCharges(postingsOf(takings), now);
  return usersOf(store).findOneAndUpdate({ ...user, ...filter }, update, ANSWER);
}

/**
 * Two commands, however many accounts there are: one guarded write for each of them, and one read of what they are then. The
 * database tells of the writes only how many were admitted. Where that is not all of them, each charge is looked for: in the account,
 * and then in the ledger, to which it can only have gone from there. What is in neither was not made, and is tried by itself.
 */
async function chargeAccounts(
  store: Store,
  takings: readonly Taking[],
  groups: readonly Group[],
  now: Date,
): Promise<PromiseSettledResult<Taken>[]> {
  const areAllMade = (await countAdmitted(store, groups, now)) === groups.length;
  const accounts = await readAccounts(store, takings, !areAllMade);
  if (areAllMade) return Promise.allSettled(takings.map(async (taking) => posted(accounts.of(taking.user))));
  const made = await madeOf(store, takings, accounts);
  return Promise.allSettled(
    takings.map((taking) => (made.has(taking) ? posted(accounts.of(taking.user)) : chargeAlone(store, taking))),
  );
}

function posted(account: ChargedAccount | undefined): Taken {
  if (!account) throw new UserNotFoundError();
  return { result: 'posted', account };
}

/** What shares a statement. */
interface Group {
  user: UserReference;
  takings: Taking[];
}

const postingsOf = (takings: readonly Taking[]): ChargePosting[] => takings.map(({ posting }) => posting);

/** The charges of each account, in small groups. */
function groupsOf(takings: readonly Taking[]): Group[] {
  const groups: Group[] = [];
  const latest = new Map<string, Group>();
  for (const taking of takings) {
    const { user } = taking;
    const group = latest.get(keyOf(user));
    if (group && group.takings.length < CHARGES_IN_STATEMENT) group.takings.push(taking);
    else {
      const begun = { user, takings: [taking] };
      groups.push(begun);
      latest.set(keyOf(user), begun);
    }
  }
  return groups;
}

async function countAdmitted(store: Store, groups: readonly Group[], now: Date): Promise<number> {
  const operations = groups.map(({ user, takings }) => {
    const { filter, update } = ordinaryCharges(postingsOf(takings), now);
    return { updateOne: { filter: { ...user, ...filter }, update } };
  });
  try {
    return (await usersOf(store).bulkWrite(operations, { ordered: false })).matchedCount;
  } catch (error) {
    if (isOfSingleStatements(error)) return 0;
    throw error;
  }
}

/** Whether only some accounts could not be written, as one that is damaged: what became of the others is known. */
function isOfSingleStatements(error: unknown): boolean {
  return (
    error instanceof mongoose.mongo.MongoBulkWriteError &&
    [error.writeErrors].flat().length > 0 &&
    error.result.getWriteConcernError() === undefined
  );
}

type FoundAccount = ChargedAccount & Pick<User, 'clerkUserId'> & Partial<Pick<User, 'openEntries'>>;
interface Accounts {
  of(user: UserReference): FoundAccount | undefined;
}

async function readAccounts(store: Store, takings: readonly Taking[], withEntries: boolean): Promise<Accounts> {
  const found = new Map<string, FoundAccount>();
  const users = [...new Map(takings.map(({ user }) => [keyOf(user), user])).values()];
  const ids = users.flatMap((user) => ('_id' in user ? [user._id] : []));
  const clerkUserIds = users.flatMap((user) => ('_id' in user ? [] : [user.clerkUserId]));
  const projection = { ...CHARGED_FIELDS, clerkUserId: 1, ...(withEntries && { openEntries: 1 }) };
  const [byId, byClerkUserId] = await Promise.all([
    ids.length === 0
      ? []
      : usersOf(store)
          .find({ _id: { $in: ids } }, { projection })
          .toArray(),
    clerkUserIds.length === 0
      ? []
      : usersOf(store)
          .find({ clerkUserId: { $in: clerkUserIds } }, { projection })
          .toArray(),
  ]);
  for (const account of byId) found.set(keyOf({ _id: account._id }), account);
  for (const account of byClerkUserId) found.set(keyOf({ clerkUserId: account.clerkUserId }), account);
  return { of: (user) => found.get(keyOf(user)) };
}

/** Looks in the ledger after the accounts: an entry leaves its account only when it stands there. */
async function madeOf(store: Store, takings: readonly Taking[], accounts: Accounts): Promise<ReadonlySet<Taking>> {
  const isOpen = ({ user, posting }: Taking) => accounts.of(user)?.openEntries?.[slotOf(posting)] !== undefined;
  const missing = takings.filter((taking) => !isOpen(taking)).map(({ posting }) => posting.id);
  const settled = missing.length === 0 ? new Set() : await settledAmong(store, missing);
  return new Set(takings.filter((taking) => isOpen(taking) || settled.has(taking.posting.id.toHexString())));
}

async function settledAmong(store: Store, ids: Types.ObjectId[]): Promise<ReadonlySet<string>> {
  const entries = await ledgerOf(store)
    .find({ _id: { $in: ids } }, { projection: { _id: 1 } })
    .toArray();
  return new Set(entries.map(({ _id }) => _id.toHexString()));
}

const keyOf = (user: UserReference): string => ('_id' in user ? user._id.toHexString() : user.clerkUserId);
