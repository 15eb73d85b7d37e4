import mongoose from 'mongoose';
import type { Actor } from '../domain/audit.ts';
import { identityVersion } from '../domain/identity.ts';
import { type ClerkDirectory, type ListedUser, MAX_IDS } from '../identity/directory.ts';
import type { Backfill, Backfilled } from '../models/Backfill.ts';
import {
  endBackfill,
  peopleBehind,
  type StoredPerson,
  saveBackfill,
  storedPeople,
  takeBackfill,
} from '../repositories/backfills.ts';
import { changeIdentity, keptIdentity } from '../repositories/identities.ts';
import type { Context } from './context.ts';
import { deletePerson, knowPerson, type Person } from './persons.ts';

export const BACKFILL_ACTOR: Actor = { kind: 'job', id: 'clerk:backfill' };

export interface BackfillOptions {
  directory: ClerkDirectory;
  /** Whether who is not at Clerk any more is deleted here. */
  deletesGone: boolean;
  /** Ends the run after the page under way; another one goes on. */
  signal: AbortSignal;
  /** Told after each page. */
  onProgress: (state: Backfill, remaining: number | null) => void;
  /** Told of everybody at whom somebody has to look, and why. */
  onPerson: (clerkUserId: string, why: string) => void;
}

export interface BackfillEnd {
  /** `overtaken`: another process has gone on with the run. */
  outcome: 'done' | 'stopped' | 'overtaken';
  found: Backfilled;
  /** When the run began that this one has gone on with; null: it was this one. */
  resumedFrom: Date | null;
}

/** Users of a page who are looked at together. */
const AT_ONCE = 8;

/**
 * Makes the users here equal to Clerk's: reads Clerk's whole list, and then asks for everybody who is stored and was not in it. Each user is
 * changed by the same guarded writes as by Clerk's events, ordered by the instant of their last change at Clerk, so that it may run beside
 * events and requests, be cut off anywhere, and be run again. What it holds in memory is a page.
 *
 * @throws what the directory throws; the place is kept
 */
export async function backfill(ctx: Context, options: BackfillOptions): Promise<BackfillEnd> {
  const { signal } = options;
  const run = crypto.randomUUID();
  const state = await takeBackfill(ctx, beginning(run, ctx.clock.now()));
  const begun = state.startedAt;
  const resumedFrom = state.savedAt > begun ? begun : null;
  const end = (outcome: BackfillEnd['outcome']) => ({ outcome, found: state.found, resumedFrom });
  const steps = stepsOf(ctx, options, state);
  for await (const remaining of steps) {
    state.savedAt = later(ctx.clock.now(), begun);
    if (!(await saveBackfill(ctx, state))) return end('overtaken');
    options.onProgress(state, remaining);
    if (signal.aborted) return end('stopped');
  }
  return end((await endBackfill(ctx, state)) ? 'done' : 'overtaken');
}

function beginning(run: string, now: Date): Backfill {
  const found = { equal: 0, made: 0, updated: 0, restored: 0, kept: 0, gone: 0, deleted: 0, needPerson: 0 };
  return { _id: 'clerk', run, startedAt: now, savedAt: now, stage: 'listed', offset: 0, found };
}

/** A state that was saved is one that can be gone on with, also where the clock stands still. */
const later = (now: Date, than: Date) => new Date(Math.max(now.getTime(), than.getTime() + 1));

/** One step after the other, each of which leaves the state behind a whole page. */
async function* stepsOf(ctx: Context, options: BackfillOptions, state: Backfill): AsyncGenerator<number | null> {
  if (state.stage === 'listed') {
    yield* listedPages(ctx, options, state);
    state.stage = 'stored';
    yield null;
  }
  yield* storedPages(ctx, options, state);
}

async function* listedPages(ctx: Context, options: BackfillOptions, state: Backfill): AsyncGenerator<number> {
  let seen: ReadonlySet<string> = new Set();
  for (;;) {
    const { users, remaining, isLast } = await options.directory.page(state);
    await bringPage(
      ctx,
      options,
      state.found,
      users.filter(({ clerkUserId }) => !seen.has(clerkUserId)),
    );
    const last = users.at(-1);
    if (!last || isLast) return;
    if (state.since && last.signedUpAt <= state.since) state.offset += users.length;
    else state.offset = 0;
    state.since = last.signedUpAt;
    // The next page begins with them again.
    const isOfThen = ({ signedUpAt }: ListedUser) => signedUpAt.getTime() === last.signedUpAt.getTime();
    seen = new Set(users.filter(isOfThen).map(({ clerkUserId }) => clerkUserId));
    yield remaining - users.length;
  }
}

async function bringPage(
  ctx: Context,
  options: BackfillOptions,
  found: Backfilled,
  users: readonly ListedUser[],
): Promise<void> {
  const stored = await storedPeople(
    ctx,
    users.map(({ clerkUserId }) => clerkUserId),
  );
  const known = new Map(stored.map((person) => [person.clerkUserId, person]));
  for (let first = 0; first < users.length; first += AT_ONCE) {
    const together = users.slice(first, first + AT_ONCE);
    const brought = await Promise.all(
      together.map((user) => bring(ctx, options, user, known.get(user.clerkUserId) ?? null)),
    );
    for (const what of brought) found[what] += 1;
  }
}

/** Makes one user equal to what Clerk has listed. */
async function bring(
  ctx: Context,
  { directory, onPerson }: BackfillOptions,
  user: ListedUser,
  stored: StoredPerson | null,
): Promise<keyof Backfilled> {
  const needPerson = (why: string) => {
    onPerson(user.clerkUserId, why);
    return 'needPerson' as const;
  };
  try {
    const brought = await bringAs(ctx, user, stored);
    if (brought !== 'differs') return brought;
    // Either an event has come since the list was read, or nobody can say which word is the newer one.
    const now = await directory.lookUp(user.clerkUserId);
    const [stands = null] = await storedPeople(ctx, [user.clerkUserId]);
    if (!now) return 'kept';
    const again = await bringAs(ctx, now, stands);
    return again === 'differs' ? needPerson('another address here, of later than Clerk says') : again;
  } catch (error) {
    if (!(error instanceof mongoose.Error.ValidationError)) throw error;
    return needPerson(`cannot be stored: ${Object.keys(error.errors).join(', ')}`);
  }
}

async function bringAs(
  ctx: Context,
  user: ListedUser,
  stored: StoredPerson | null,
): Promise<'equal' | 'updated' | 'made' | 'restored' | 'kept' | 'differs'> {
  const person = personOf(user);
  const { version, email, name } = keptIdentity(person.identity);
  if (stored && !stored.isDeleted && stored.email === email && stored.name === name) {
    // From now on nothing older counts, which may still come.
    if (stored.identityVersion < version) await changeIdentity(ctx, user.clerkUserId, person.identity);
    return 'equal';
  }
  const known = await knowPerson(ctx, person, { hasSignedUp: true, actor: BACKFILL_ACTOR });
  if (known === 'changed') return 'updated';
  if (known === 'made' || known === 'restored') return known;
  const isElsewhere = stored !== null && !stored.isDeleted && stored.email !== email;
  return isElsewhere ? 'differs' : 'kept';
}

/** Of the instant of their last change: no newer than the event of that change, which may have come before, and something been chosen since. */
function personOf({ clerkUserId, email, name, signedUpAt, changedAt }: ListedUser): Person {
  return {
    clerkUserId,
    at: signedUpAt,
    identity: { version: identityVersion('user.created', changedAt), email, name },
  };
}

async function* storedPages(ctx: Context, options: BackfillOptions, state: Backfill): AsyncGenerator<null> {
  for (;;) {
    const people = await peopleBehind(ctx, state.behind, MAX_IDS);
    const last = people.at(-1);
    if (!last) return;
    const here = people.filter(({ isDeleted }) => !isDeleted).map(({ clerkUserId }) => clerkUserId);
    const present = here.length === 0 ? new Set() : await options.directory.presentOf(here);
    for (const clerkUserId of here) {
      if (!present.has(clerkUserId)) await missPerson(ctx, options, state.found, clerkUserId);
    }
    state.behind = last._id;
    yield null;
  }
}

/** Only Clerk's own word that there is nobody of that id says that somebody is gone. */
async function missPerson(
  ctx: Context,
  { directory, deletesGone, onPerson }: BackfillOptions,
  found: Backfilled,
  clerkUserId: string,
): Promise<void> {
  // Clerk does not say when it was: what happened there after this question is newer.
  const askedAt = ctx.clock.now();
  if (await directory.lookUp(clerkUserId)) return;
  if (!deletesGone) {
    found.gone += 1;
    onPerson(clerkUserId, 'is not at Clerk any more');
    return;
  }
  const version = identityVersion('user.deleted', askedAt);
  const what = await deletePerson(ctx, { clerkUserId, version, actor: BACKFILL_ACTOR });
  found[what === 'deleted' ? 'deleted' : 'kept'] += 1;
}
