import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EnvironmentError } from '@/config/env.ts';
import { clerkDirectory } from '@/identity/directory.ts';
import { backfillsOf, usersOf } from '@/models/collections.ts';
import { deleteUser } from '@/repositories/accounts.ts';
import { backfill } from '@/workflows/backfill.ts';
import { eraseUser } from '@/workflows/personalData.ts';
import { keptLog } from '../support/api.ts';
import { testApplication } from '../support/application.ts';
import type { PersonEvent } from '../support/clerk/people.ts';
import { CLERK_SECRET_KEY, type ClerkServer, clerkFailing, startClerkServer } from '../support/clerk-server.ts';
import { signedClerkEvent } from '../support/clerkEvents.ts';
import { START, useDatabase } from '../support/database.ts';
import { interrupted } from '../support/interrupt.ts';

const store = useDatabase();
const app = await testApplication(store);
const HOUR = 3_600_000;

let clerk: ClerkServer;
beforeEach(async () => {
  await usersOf(store).deleteMany({});
  await backfillsOf(store).deleteMany({});
  store.clock.set(START);
  clerk = await startClerkServer({ now: () => store.clock.now() });
});
afterEach(() => clerk.close());

interface Run {
  deletesGone?: boolean;
  secretKey?: string;
  callsPerSecond?: number;
  signal?: AbortSignal;
  onProgress?: () => void;
}

async function run({
  deletesGone = false,
  secretKey = CLERK_SECRET_KEY,
  callsPerSecond = 1_000_000,
  signal,
  onProgress = () => {},
}: Run = {}) {
  const stopping = signal ?? new AbortController().signal;
  const { log, lines } = keptLog();
  const patience = { log, signal: stopping, callsPerSecond };
  const directory = clerkDirectory({ secretKey, apiUrl: clerk.url }, patience);
  const people: [string, string][] = [];
  const onPerson = (...person: [string, string]) => people.push(person);
  const ended = await backfill(app.ctx, { directory, deletesGone, signal: stopping, onProgress, onPerson });
  return { ...ended, people, lines };
}

const NOTHING = { equal: 0, made: 0, updated: 0, restored: 0, kept: 0, gone: 0, deleted: 0, needPerson: 0 };

async function tell(...events: PersonEvent[]): Promise<void> {
  for (const event of events) {
    const { raw, headers } = signedClerkEvent(event);
    expect((await app.request('/webhooks/clerk', { method: 'POST', body: raw, headers })).status).toBe(200);
    await app.inbox.drained();
  }
}

const userOf = (clerkUserId: string) => usersOf(store).findOne({ clerkUserId });

describe('a back-fill from Clerk', () => {
  it('makes who is missing, mends who differs, and finds everybody equal the second time', async () => {
    const known = clerk.people.signUp({ email: 'Known@Example.com' });
    const outdated = clerk.people.signUp();
    const missing = clerk.people.signUp({ email: null, firstName: null, lastName: 'Last' });
    await tell(known, outdated);
    store.clock.advance(HOUR);
    clerk.people.change(outdated.data.id, { email: 'new@example.com', firstName: 'New' });
    const { outcome, found, resumedFrom } = await run();
    expect({ outcome, found, resumedFrom }).toEqual({
      outcome: 'done',
      found: { ...NOTHING, equal: 1, updated: 1, made: 1 },
      resumedFrom: null,
    });
    expect(await userOf(known.data.id)).toMatchObject({ email: 'known@example.com', name: 'Given Family' });
    expect(await userOf(outdated.data.id)).toMatchObject({ email: 'new@example.com', name: 'New Family' });
    expect(await userOf(missing.data.id)).toMatchObject({ email: '', name: 'Last', subscriptionTier: 'free' });
    expect((await run()).found).toEqual({ ...NOTHING, equal: 3 });
    expect(await backfillsOf(store).countDocuments({})).toBe(0);
  });

  it('is undone by no event of before that comes later, also where there was nothing to change', async () => {
    const created = clerk.people.signUp({ email: 'first@example.com' });
    const { id } = created.data;
    store.clock.advance(HOUR);
    clerk.people.change(id, { email: 'second@example.com' });
    // Made by a first request, as Clerk says, and without any word of Clerk's.
    await store.models.User.create({ clerkUserId: id, email: 'second@example.com', name: 'Given Family' });
    expect((await run()).found).toEqual({ ...NOTHING, equal: 1 });
    await tell(created);
    expect(await userOf(id)).toMatchObject({ email: 'second@example.com' });
  });

  it('undoes no event that comes while it reads', async () => {
    const created = clerk.people.signUp({ email: 'first@example.com' });
    const { id } = created.data;
    await tell(created);
    store.clock.advance(HOUR);
    await tell(clerk.people.change(id, { email: 'second@example.com' }));
    // The list was read before the change, and the user after it.
    clerk.people.goBack(created);
    clerk.beforeAnswer = (path) => {
      if (path === `/v1/users/${id}`) clerk.people.change(id, { email: 'second@example.com' });
    };
    expect((await run()).found).toEqual({ ...NOTHING, equal: 1 });
    expect(await userOf(id)).toMatchObject({ email: 'second@example.com' });
  });

  it('names whoever has another address here, by word of later than Clerk knows, and changes nothing', async () => {
    const { id } = clerk.people.signUp({ email: 'clerk@example.com' }).data;
    await store.models.User.create({ clerkUserId: id, email: 'here@example.com', identityVersion: 1e15 });
    const { found, people } = await run();
    expect(found).toEqual({ ...NOTHING, needPerson: 1 });
    expect(people).toEqual([[id, 'another address here, of later than Clerk says']]);
    expect(await userOf(id)).toMatchObject({ email: 'here@example.com' });
  });

  it('names whoever cannot be stored, and goes on', async () => {
    const broken = clerk.people.signUp({ email: `${'x'.repeat(320)}@example.com` });
    clerk.people.signUp();
    const { found, people } = await run();
    expect(found).toEqual({ ...NOTHING, made: 1, needPerson: 1 });
    expect(people).toEqual([[broken.data.id, 'cannot be stored: email']]);
  });

  it('leaves a name that was chosen here since Clerk last told of one', async () => {
    const person = await app.person();
    await tell(clerk.people.signUp({ id: person.clerkUserId }));
    expect((await person.patch('/v1/me', { name: 'Mine' })).status).toBe(200);
    expect((await run()).found).toEqual({ ...NOTHING, kept: 1 });
    expect(await userOf(person.clerkUserId)).toMatchObject({ name: 'Mine' });
  });

  it('revives nobody who was deleted or erased here, or at Clerk after that', async () => {
    const created = [clerk.people.signUp(), clerk.people.signUp()] as const;
    const later = clerk.people.signUp();
    await tell(...created, later);
    const [deleted, erased] = created.map(({ data }) => data.id);
    if (!deleted || !erased) throw new Error('Both have an id');
    store.clock.advance(HOUR);
    await deleteUser(store, { clerkUserId: deleted }, { kind: 'library' });
    await eraseUser(store, { clerkUserId: erased }, { actor: { kind: 'library' }, removePicture: async () => {} });
    // Clerk's word of the deletion overtakes the list that was read before.
    await tell(clerk.people.remove(later.data.id));
    clerk.people.goBack(later);
    expect((await run({ deletesGone: true })).found).toEqual({ ...NOTHING, kept: 3 });
    expect(await usersOf(store).countDocuments({ isDeleted: false })).toBe(0);
    expect(await usersOf(store).countDocuments({})).toBe(3);
  });

  it('gives those who have signed up again their account back', async () => {
    const first = clerk.people.signUp();
    await tell(first);
    store.clock.advance(HOUR);
    await tell(clerk.people.remove(first.data.id));
    store.clock.advance(HOUR);
    clerk.people.signUp({ id: first.data.id, email: 'again@example.com' });
    expect((await run()).found).toEqual({ ...NOTHING, restored: 1 });
    expect(await userOf(first.data.id)).toMatchObject({ isDeleted: false, email: 'again@example.com' });
  });

  it('reports who is not at Clerk any more, and deletes them where that is wanted, for good against late word', async () => {
    const stays = clerk.people.signUp();
    const goes = clerk.people.signUp();
    const { id } = goes.data;
    await tell(stays, goes);
    clerk.people.remove(id);
    store.clock.advance(HOUR);
    const reported = await run();
    expect(reported.found).toEqual({ ...NOTHING, equal: 1, gone: 1 });
    expect(reported.people).toEqual([[id, 'is not at Clerk any more']]);
    expect(await userOf(id)).toMatchObject({ isDeleted: false });
    const deleted = await run({ deletesGone: true });
    expect(deleted.found).toEqual({ ...NOTHING, equal: 1, deleted: 1 });
    await tell({ ...goes, type: 'user.updated', timestamp: goes.timestamp + 1 }, goes);
    expect(await userOf(id)).toMatchObject({ isDeleted: true });
    store.clock.advance(HOUR);
    await tell(clerk.people.signUp({ id }));
    expect(await userOf(id)).toMatchObject({ isDeleted: false });
  });

  it('deletes nobody whom Clerk shows when it is asked for them alone', async () => {
    const created = clerk.people.signUp();
    await tell(created);
    const { id } = created.data;
    clerk.people.remove(id);
    clerk.beforeAnswer = (path) => {
      if (path === `/v1/users/${id}`) clerk.people.signUp({ id });
    };
    expect((await run({ deletesGone: true })).found).toEqual(NOTHING);
    expect(await userOf(id)).toMatchObject({ isDeleted: false });
  });
});

describe("a back-fill of more than a page of Clerk's", () => {
  /** So many that some are on three pages, most of whom were imported with one instant of sign-up. */
  function crowd(): string[] {
    return Array.from({ length: 1_250 }, (_, index) => {
      const imported = index >= 100 && index < 800;
      store.clock.advance(imported ? 0 : 1000);
      return clerk.people.signUp({ id: `user_${String(index).padStart(5, '0')}` }).data.id;
    });
  }

  it('misses nobody and reads nobody for nothing, though people go and come while it reads', async () => {
    const ids = crowd();
    let pages = 0;
    const early = ids.slice(0, 90);
    clerk.beforeAnswer = (path) => {
      if (!path.startsWith('/v1/users?') || path.includes('user_id')) return;
      pages += 1;
      // By offset alone, each of these would hide one on the next page.
      if (pages > 1) for (const id of early.splice(0, 20)) clerk.people.remove(id);
      if (pages === 2) clerk.people.signUp({ id: 'user_latecomer' });
    };
    const { found } = await run();
    expect(found).toMatchObject({ made: 1_251, equal: 0 });
    expect(await usersOf(store).countDocuments({ clerkUserId: { $in: [...ids, 'user_latecomer'] } })).toBe(1_251);
  }, 60_000);

  it('that is stopped is gone on with, and counts on', async () => {
    crowd();
    const stopping = new AbortController();
    let pages = 0;
    const onProgress = () => {
      pages += 1;
      if (pages === 2) stopping.abort();
    };
    const first = await run({ signal: stopping.signal, onProgress });
    expect(first).toMatchObject({ outcome: 'stopped', resumedFrom: null });
    expect(first.found.made).toBeGreaterThan(500);
    clerk.calls.length = 0;
    const second = await run();
    expect(second).toMatchObject({ outcome: 'done', resumedFrom: expect.any(Date) });
    expect(second.found.made).toBe(1_250);
    expect(clerk.calls.every((path) => path.includes('created_at_after') || path.includes('user_id'))).toBe(true);
  }, 60_000);

  it('that was cut off more than a day ago is begun anew', async () => {
    clerk.people.signUp();
    const stopping = new AbortController();
    await run({ signal: stopping.signal, onProgress: () => stopping.abort() });
    expect(await backfillsOf(store).countDocuments({})).toBe(1);
    store.clock.advance(25 * HOUR);
    expect(await run()).toMatchObject({ outcome: 'done', resumedFrom: null, found: { ...NOTHING, equal: 1 } });
  });
});

describe('a back-fill that meets another one, or its end,', () => {
  /** One user to make and one to delete. */
  async function somethingToDo(): Promise<void> {
    await usersOf(store).deleteMany({});
    const gone = clerk.people.signUp();
    await tell(gone);
    clerk.people.remove(gone.data.id);
    clerk.people.signUp();
  }

  async function expectEqual(): Promise<void> {
    const here = await usersOf(store).find({ isDeleted: false }).toArray();
    expect(here.map(({ clerkUserId }) => clerkUserId).sort()).toEqual(
      clerk.people
        .all()
        .map(({ id }) => id)
        .sort(),
    );
    expect(await backfillsOf(store).countDocuments({})).toBe(0);
  }

  it('at any command: the other one goes on, and this one ends without saving over it', async () => {
    const outcomes = new Set<string>();
    for (let commands = 0; ; commands += 1) {
      await somethingToDo();
      let outcome = '';
      const reached = await interrupted(
        async () => {
          outcome = (await run({ deletesGone: true })).outcome;
        },
        commands,
        'lives',
        async () => {
          expect((await run({ deletesGone: true })).outcome).toBe('done');
        },
      );
      if (!reached) break;
      outcomes.add(outcome);
      await expectEqual();
      for (const { id } of clerk.people.all()) clerk.people.remove(id);
    }
    expect([...outcomes].sort()).toEqual(['done', 'overtaken']);
  }, 60_000);

  it.each(['before', 'after'] as const)(
    'at any command, dying (%s it): the next run brings it to its end',
    async (fate) => {
      for (let commands = 0; ; commands += 1) {
        await somethingToDo();
        const reached = await interrupted(() => run({ deletesGone: true }), commands, fate);
        if (!reached) return expect(commands).toBeGreaterThan(10);
        await run({ deletesGone: true });
        await expectEqual();
        for (const { id } of clerk.people.all()) clerk.people.remove(id);
      }
    },
    60_000,
  );
});

describe('Clerk, asked too often or out of reach', () => {
  it('is left alone for as long as its Retry-After says, and then gives everybody', async () => {
    for (let index = 0; index < 3; index += 1) clerk.people.signUp();
    const times: number[] = [];
    clerk.faults = () => {
      times.push(performance.now());
      return times.length === 1 ? 'rate_limited' : null;
    };
    const { found, lines } = await run();
    expect(found).toEqual({ ...NOTHING, made: 3 });
    expect(lines).toMatchObject([{ level: 'warn', waitMs: 1000 }]);
    // The first list and its count go out together.
    const [first = 0, , third = 0] = times;
    expect(third - first).toBeGreaterThan(950);
  });

  it.each([
    ['asked faster than it takes calls, is asked again until everything has been answered', 1_000_000],
    ['asked at a pace below its limit, refuses nothing', 8],
  ])('%s', async (_, callsPerSecond) => {
    await clerk.close();
    clerk = await startClerkServer({ now: () => store.clock.now(), callsPerSecond: 12 });
    await store.models.User.create(Array.from({ length: 14 }, (_user, index) => ({ clerkUserId: `user_${index}` })));
    const { found, lines } = await run({ callsPerSecond });
    expect(found).toEqual({ ...NOTHING, gone: 14 });
    if (callsPerSecond < 12) expect(lines).toEqual([]);
  });

  it.each(['error', 'cut'] as const)('(%s) is asked again', async (fault) => {
    clerk.people.signUp();
    clerk.faults = clerkFailing('/v1/users', fault, 2);
    expect((await run()).found).toEqual({ ...NOTHING, made: 1 });
  });

  it('for a key that it does not take ends the run at once, in words that name the variable', async () => {
    const refused = run({ secretKey: 'sk_live_other' });
    await expect(refused).rejects.toThrow(EnvironmentError);
    await expect(refused).rejects.toThrow(/^CLERK_SECRET_KEY /);
  });
});
