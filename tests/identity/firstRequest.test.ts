import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { usersOf } from '@/models/collections.ts';
import { type TestApplication, testApplication } from '../support/application.ts';
import { CLERK_SECRET_KEY, type ClerkServer, clerkFailing, startClerkServer } from '../support/clerk-server.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();

let clerk: ClerkServer;
let app: TestApplication;
beforeAll(async () => {
  clerk = await startClerkServer();
  app = await testApplication(store, { clerk: { secretKey: CLERK_SECRET_KEY, apiUrl: clerk.url, deadlineMs: 200 } });
});
afterAll(() => clerk.close());
beforeEach(() => {
  clerk.calls.length = 0;
  clerk.faults = () => null;
});

describe('the first request of somebody whose token tells no address and no name', () => {
  it('makes the user with the primary address and the name that Clerk has, by one call, and no later request asks again', async () => {
    const person = await app.person();
    clerk.people.signUp({ id: person.clerkUserId, email: 'Ada@Example.com', firstName: 'Ada', lastName: 'Lovelace' });
    const me = await person.get('/v1/me');
    expect(me.status).toBe(200);
    expect(await me.json()).toMatchObject({ email: 'ada@example.com', name: 'Ada Lovelace' });
    expect((await person.get('/v1/me')).status).toBe(200);
    expect(clerk.calls).toEqual([`/v1/users/${person.clerkUserId}`]);
  });

  it('makes a user without what Clerk does not have either', async () => {
    const person = await app.person();
    clerk.people.signUp({ id: person.clerkUserId, email: null, firstName: 'Ada', lastName: null });
    expect(await (await person.get('/v1/me')).json()).toMatchObject({ email: '', name: 'Ada' });
  });

  it('believes the token before Clerk, field by field', async () => {
    const person = await app.person({ email: 'of-the-token@example.com' });
    clerk.people.signUp({ id: person.clerkUserId, email: 'of-clerk@example.com', firstName: 'Ada', lastName: null });
    expect(await (await person.get('/v1/me')).json()).toMatchObject({ email: 'of-the-token@example.com', name: 'Ada' });
  });

  it('asks nobody when the token tells both', async () => {
    const person = await app.person({ email: 'a@example.com', name: 'Ada' });
    expect((await person.get('/v1/me')).status).toBe(200);
    expect(clerk.calls).toEqual([]);
  });

  it.each([
    ['does not know the person', () => null],
    ['answers 500', clerkFailing('/v1/users', 'error')],
    ['answers 429', clerkFailing('/v1/users', 'rate_limited')],
    ['does not answer in time', clerkFailing('/v1/users', 'silent')],
    ['breaks the connection', clerkFailing('/v1/users', 'cut')],
  ])('is answered all the same when Clerk %s, and the log says so once', async (_, faults) => {
    const person = await app.person();
    clerk.faults = faults;
    app.lines.length = 0;
    const me = await person.get('/v1/me');
    expect(me.status).toBe(200);
    expect(await me.json()).toMatchObject({ email: '', name: '' });
    const warnings = app.lines.filter(({ level }) => level === 'warn');
    expect(warnings).toMatchObject([{ msg: 'Clerk did not tell the profile of a new user' }]);
    expect(JSON.stringify(app.lines)).not.toContain(CLERK_SECRET_KEY);
  });

  it('is answered all the same without network', async () => {
    const gone = await startClerkServer();
    await gone.close();
    const access = { secretKey: CLERK_SECRET_KEY, apiUrl: gone.url };
    const person = await (await testApplication(store, { clerk: access })).person();
    expect(await (await person.get('/v1/me')).json()).toMatchObject({ email: '', name: '' });
    expect(await usersOf(store).countDocuments({ clerkUserId: person.clerkUserId })).toBe(1);
  });
});
