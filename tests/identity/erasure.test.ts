import type { Types } from 'mongoose';
import { beforeEach, describe, expect, it } from 'vitest';
import { useKeyring } from '@/encryption/connections.ts';
import { createKeyring } from '@/encryption/keyring.ts';
import { usersOf, webhookEventsOf } from '@/models/collections.ts';
import { eraseUser } from '@/workflows/personalData.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { problemOf } from '../support/api.ts';
import { type Caller, testApplication } from '../support/application.ts';
import { clearBooks } from '../support/books.ts';
import { People, type PersonEvent } from '../support/clerk/people.ts';
import { signedClerkEvent } from '../support/clerkEvents.ts';
import { START, useDatabase } from '../support/database.ts';
import { asProcess, Crash, type Fate } from '../support/interleave.ts';
import { interrupted } from '../support/interrupt.ts';

const store = useDatabase();
const app = await testApplication(store);
const people = new People(() => store.clock.now());
const HOUR = 3_600_000;

beforeEach(async () => {
  await clearBooks(store);
  await webhookEventsOf(store).deleteMany({});
  store.clock.set(START);
});

async function tell(...events: PersonEvent[]): Promise<void> {
  for (const event of events) {
    const { raw, headers } = signedClerkEvent(event);
    expect((await app.request('/webhooks/clerk', { method: 'POST', body: raw, headers })).status).toBe(200);
    await app.inbox.drained();
  }
}

const erase = (reference: { _id: Types.ObjectId } | { clerkUserId: string }) =>
  eraseUser(store, reference, { removePicture: async () => {}, actor: { kind: 'library' } });

/** Somebody who has used 7 of 10 credits, an hour after Clerk told of them, and an hour before now. */
async function someone(): Promise<{ person: Caller; created: PersonEvent; _id: Types.ObjectId }> {
  const person = await app.person();
  const created = people.signUp({ id: person.clerkUserId, email: 'ada@example.com' });
  await tell(created);
  store.clock.advance(HOUR);
  expect((await person.post('/v1/quota/consume', { credits: 7 })).status).toBe(200);
  store.clock.advance(HOUR);
  const user = await usersOf(store).findOne({ clerkUserId: person.clerkUserId });
  if (!user) throw new Error('They have signed up');
  return { person, created, _id: user._id };
}

const everybody = () => usersOf(store).find({}).toArray();

/** The one account that there is, after whatever has happened: never a second one, and never more credits than before. */
async function theAccount() {
  await sweep(app.ctx, 0);
  const users = await everybody();
  expect(users).toHaveLength(1);
  expect(users[0]).toMatchObject({ monthlyUsage: 7 });
  expect((await verifyLedger(store)).violations).toEqual([]);
  return users[0];
}

describe('after an erasure', () => {
  it("nothing tells whose it was: Clerk's id is found nowhere, and its hash only by whoever has the key", async () => {
    const { person, _id } = await someone();
    await erase({ _id });
    const account = await theAccount();
    expect(JSON.stringify(account)).not.toContain(person.clerkUserId);
    const clear = await createKeyring([]).hashes({ model: 'User', field: 'clerkUserId' }, person.clerkUserId);
    expect(account?.identityHashes).toHaveLength(1);
    expect(account?.identityHashes).not.toContain(clear[0]);
  });

  it('events of before make nobody, in whatever order and however often they come, and nothing of them is kept', async () => {
    const { person, created, _id } = await someone();
    const changed = people.change(person.clerkUserId, { email: 'new@example.com' });
    store.clock.advance(HOUR);
    await erase({ _id });
    store.clock.advance(HOUR);
    await tell(changed, created, changed, created);
    expect(await theAccount()).toMatchObject({ isDeleted: true, email: '' });
    expect(await webhookEventsOf(store).countDocuments({ subject: person.clerkUserId })).toBe(0);
    const kept = await webhookEventsOf(store).find({}).toArray();
    expect(kept.map(({ outcome, facts }) => ({ outcome, facts }))).toEqual(
      Array(4).fill({ outcome: 'ignored', facts: {} }),
    );
  });

  it('a change at Clerk is no sign-up, however new', async () => {
    const { person, _id } = await someone();
    await erase({ _id });
    store.clock.advance(HOUR);
    await tell(people.change(person.clerkUserId, { email: 'new@example.com' }));
    expect(await theAccount()).toMatchObject({ isDeleted: true, email: '' });
  });

  it('a sign-up at Clerk gives back the account, with the quota that it had', async () => {
    const { person, _id } = await someone();
    await erase({ _id });
    store.clock.advance(HOUR);
    await tell(people.signUp({ id: person.clerkUserId, email: 'again@example.com' }));
    expect(await theAccount()).toMatchObject({ _id, clerkUserId: person.clerkUserId, isDeleted: false });
    expect(await (await person.get('/v1/me')).json()).toMatchObject({ email: 'again@example.com', quota: { used: 7 } });
  });

  it('a request of somebody who is still at Clerk does the same', async () => {
    const { person, _id } = await someone();
    await erase({ _id });
    const me = await person.get('/v1/me');
    expect(me.status).toBe(200);
    expect(await me.json()).toMatchObject({ id: _id.toHexString(), quota: { used: 7, remaining: 3 } });
    expect(await (await person.get('/v1/generations')).json()).toEqual({ data: [], nextCursor: null });
    await theAccount();
  });

  it('a request of somebody whom Clerk has deleted as well is refused, whichever came first', async () => {
    for (const isToldBefore of [true, false]) {
      await clearBooks(store);
      const { person, _id } = await someone();
      const removed = people.remove(person.clerkUserId);
      if (isToldBefore) await tell(removed);
      await erase({ _id });
      if (!isToldBefore) await tell(removed);
      expect(await problemOf(await person.get('/v1/me'))).toMatchObject({ status: 403, code: 'account_deleted' });
      expect(await theAccount()).toMatchObject({ isDeleted: true, email: '' });
    }
  });

  it('whoever came back is erased again by another erasure, and comes back again', async () => {
    const { person, _id } = await someone();
    for (let round = 0; round < 3; round += 1) {
      await erase({ _id });
      expect(await theAccount()).toMatchObject({ isDeleted: true, email: '' });
      store.clock.advance(HOUR);
      expect((await person.get('/v1/me')).status).toBe(200);
    }
    expect(await theAccount()).toMatchObject({ clerkUserId: person.clerkUserId, isDeleted: false });
  });

  it('nobody who runs the place can give the account to nobody', async () => {
    const { _id } = await someone();
    await erase({ _id });
    const user = await store.models.User.findById(_id).setOptions({ withDeleted: true }).orFail().exec();
    await user.restore();
    expect(await theAccount()).toMatchObject({ isDeleted: true });
  });

  it('a key that was put before the ring since then changes nothing', async () => {
    const { person, _id } = await someone();
    await erase({ _id });
    const key = (id: string) => ({ id, key: Buffer.alloc(32, id).toString('base64') });
    const before = { id: 'tests', key: btoa('0123456789abcdef0123456789abcdef') };
    useKeyring(store.connection, createKeyring([key('new'), before]));
    try {
      expect((await person.get('/v1/me')).status).toBe(200);
      await theAccount();
    } finally {
      useKeyring(store.connection, createKeyring([before]));
    }
  });
});

describe('an erasure that is cut off at any command', () => {
  it.each(['before', 'after', 'refused', 'unanswered'] as const)(
    'dying so: %s; it is finished by another run, and whoever comes in between has no fresh account',
    async (fate) => {
      for (let commands = 1; ; commands += 1) {
        await clearBooks(store);
        store.clock.set(START);
        const { person, created, _id } = await someone();
        let sent = 0;
        const ended = await asProcess(
          (): Fate => (++sent === commands ? fate : 'lives'),
          () => erase({ _id }),
        ).then(
          () => 'ended',
          (error: unknown) =>
            error instanceof Crash || (error instanceof Error && error.name.startsWith('Mongo')) ? 'cut' : error,
        );
        await tell(created);
        await theAccount();
        await erase({ _id });
        await tell(created);
        expect(await theAccount()).toMatchObject({ isDeleted: true, email: '' });
        expect((await person.get('/v1/me')).status).toBe(200);
        await theAccount();
        if (ended === 'ended') {
          expect(commands).toBeGreaterThan(10);
          return;
        }
        expect(ended).toBe('cut');
      }
    },
    60_000,
  );
});

describe('an erasure beside', () => {
  it.each([
    ['a first request', async (person: Caller) => void (await person.get('/v1/me'))],
    ['a sign-up at Clerk', (person: Caller) => tell(people.signUp({ id: person.clerkUserId }))],
    [
      'late word of the sign-up',
      (person: Caller) => tell({ ...people.signUp({ id: person.clerkUserId }), timestamp: START.getTime() }),
    ],
    ['a deletion at Clerk', (person: Caller) => tell(people.remove(person.clerkUserId))],
  ])(
    '%s leaves one account with the quota that it had, wherever one of them meets the other',
    async (_, happen) => {
      for (let commands = 0; ; commands += 1) {
        await clearBooks(store);
        store.clock.set(START);
        const { person, _id } = await someone();
        const reached = await interrupted(
          () => erase({ _id }),
          commands,
          'lives',
          async () => {
            store.clock.advance(1000);
            await happen(person);
            store.clock.advance(1000);
          },
        );
        const account = await theAccount();
        // Either it is theirs, or it is nobody's.
        expect(account?.email === '' || account?.clerkUserId === person.clerkUserId).toBe(true);
        expect(account?.isDeleted).toBe(account?.clerkUserId.startsWith('erased_'));
        if (!reached) return;
      }
    },
    60_000,
  );

  it('a process that was suspended between its look and its insert makes no second account', async () => {
    for (let commands = 0; ; commands += 1) {
      await clearBooks(store);
      store.clock.set(START);
      const person = await app.person();
      const reached = await interrupted(
        () => person.get('/v1/me'),
        commands,
        'lives',
        async () => {
          await tell(people.signUp({ id: person.clerkUserId }));
          await person.post('/v1/quota/consume', { credits: 7 });
          await erase({ clerkUserId: person.clerkUserId });
        },
      );
      if (!reached) {
        expect(commands).toBeGreaterThan(2);
        return;
      }
      await theAccount();
    }
  });
});
