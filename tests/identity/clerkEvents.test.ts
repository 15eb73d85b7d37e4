import { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import type { IdentityEvent } from '@/domain/identity.ts';
import { usersOf, webhookEventsOf } from '@/models/collections.ts';
import { post } from '@/models/statements/accounts.ts';
import { eraseUser } from '@/workflows/personalData.ts';
import { problemOf } from '../support/api.ts';
import { testApplication } from '../support/application.ts';
import { signedClerkEvent } from '../support/clerkEvents.ts';
import { START, useDatabase } from '../support/database.ts';

const store = useDatabase();
const app = await testApplication(store);

const newId = () => `user_${new Types.ObjectId().toHexString()}`;

interface Told {
  type: IdentityEvent;
  /** Seconds behind the beginning, by Clerk's clock. */
  at: number;
  email?: string;
}

function deliver(clerkUserId: string, { type, at, email = `at${at}@example.com` }: Told) {
  const addresses = [
    { id: 'other', email_address: 'other@example.com' },
    { id: 'first', email_address: email },
  ];
  const named = {
    first_name: 'Given',
    last_name: `At ${at}`,
    primary_email_address_id: 'first',
    email_addresses: addresses,
  };
  const data = { id: clerkUserId, ...(type !== 'user.deleted' && named) };
  const { raw, headers } = signedClerkEvent({ type, timestamp: START.getTime() + at * 1000, data });
  return app.request('/webhooks/clerk', { method: 'POST', body: raw, headers });
}

async function tell(clerkUserId: string, told: readonly Told[]): Promise<void> {
  for (const one of told) {
    expect((await deliver(clerkUserId, one)).status).toBe(200);
    await app.inbox.drained();
  }
}

const userOf = (clerkUserId: string) => usersOf(store).findOne({ clerkUserId });

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}

describe("Clerk's events", () => {
  const LIFE: Told[] = [
    { type: 'user.created', at: 1 },
    { type: 'user.updated', at: 2 },
    { type: 'user.deleted', at: 3 },
  ];

  it.each(permutations(LIFE))('leave a deleted user, in whatever order they come: %j', async (...order) => {
    const clerkUserId = newId();
    await tell(clerkUserId, [...order, ...order]);
    expect(await userOf(clerkUserId)).toMatchObject({ isDeleted: true });
  });

  it.each(permutations([...LIFE, { type: 'user.created', at: 4 } as const]))(
    'end in the latest word, in whatever order they come: %j',
    async (...order) => {
      const clerkUserId = newId();
      await tell(clerkUserId, order);
      const user = await userOf(clerkUserId);
      expect(user).toMatchObject({ isDeleted: false, email: 'at4@example.com', name: 'Given At 4' });
      expect(await usersOf(store).countDocuments({ clerkUserId })).toBe(1);
    },
  );

  it('applied at once leave one user, with the latest word', async () => {
    const clerkUserId = newId();
    const told = Array.from({ length: 8 }, (_, at): Told => ({ type: at === 0 ? 'user.created' : 'user.updated', at }));
    await Promise.all(told.map((one) => deliver(clerkUserId, one)));
    await app.inbox.drained();
    expect(await userOf(clerkUserId)).toMatchObject({ email: 'at7@example.com' });
  });

  it('give somebody who signs up again the quota that they had', async () => {
    const clerkUserId = newId();
    await tell(clerkUserId, [{ type: 'user.created', at: 1 }]);
    const posting = { id: new Types.ObjectId(), kind: 'charge', credits: 7 } as const;
    await post(store, { clerkUserId }, posting);
    await tell(clerkUserId, [
      { type: 'user.deleted', at: 2 },
      { type: 'user.created', at: 3 },
    ]);
    expect(await userOf(clerkUserId)).toMatchObject({ isDeleted: false, monthlyUsage: 7 });
  });

  it('of before do not revive who has deleted the account here', async () => {
    const person = await app.person();
    expect((await person.get('/v1/me')).status).toBe(200);
    expect((await person.delete('/v1/me')).status).toBe(204);
    await tell(person.clerkUserId, [{ type: 'user.created', at: -60 }]);
    expect(await userOf(person.clerkUserId)).toMatchObject({ isDeleted: true });
  });

  it('behind a first request fill in what the token did not say', async () => {
    const person = await app.person();
    expect((await person.get('/v1/me')).status).toBe(200);
    await tell(person.clerkUserId, [{ type: 'user.created', at: 1 }]);
    expect(await userOf(person.clerkUserId)).toMatchObject({ email: 'at1@example.com', name: 'Given At 1' });
  });

  it('are kept once under the id of their message', async () => {
    const clerkUserId = newId();
    const event = { type: 'user.created', timestamp: START.getTime(), data: { id: clerkUserId } };
    const { raw, headers } = signedClerkEvent(event, { id: 'msg_twice' });
    for (let round = 0; round < 3; round += 1) {
      expect((await app.request('/webhooks/clerk', { method: 'POST', body: raw, headers })).status).toBe(200);
    }
    expect(await webhookEventsOf(store).countDocuments({ _id: 'clerk:msg_twice' })).toBe(1);
  });

  it.each([
    ['a wrong secret', { secret: `whsec_${btoa('some other secret')}` }],
    ['an old signature', { at: new Date(Date.now() - 3_600_000) }],
  ])('with %s are refused, and leave no trace', async (_, signing) => {
    const clerkUserId = newId();
    const event = { type: 'user.created', timestamp: START.getTime(), data: { id: clerkUserId } };
    const { raw, headers } = signedClerkEvent(event, signing);
    const response = await app.request('/webhooks/clerk', { method: 'POST', body: raw, headers });
    expect(await problemOf(response)).toMatchObject({ status: 400, code: 'invalid_signature' });
    expect(await userOf(clerkUserId)).toBeNull();
  });

  it('go when their user is erased', async () => {
    const clerkUserId = newId();
    await tell(clerkUserId, [{ type: 'user.created', at: 1 }]);
    const subject = { subject: clerkUserId };
    expect(await webhookEventsOf(store).countDocuments(subject)).toBe(1);
    await eraseUser(store, { clerkUserId }, { removePicture: async () => {}, actor: { kind: 'library' } });
    expect(await webhookEventsOf(store).countDocuments(subject)).toBe(0);
  });
});
