import { Types } from 'mongoose';
import { beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../support/application.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();
let api: TestApplication;
let caller: Caller;

beforeAll(async () => {
  api = await testApplication(store);
  caller = await api.person();
});

describe('a query parameter that a route does not know', () => {
  it.each([
    ['GET', '/v1/me'],
    ['PATCH', '/v1/me'],
    ['DELETE', '/v1/me'],
    ['GET', '/v1/quota'],
    ['POST', '/v1/quota/consume'],
    ['GET', '/v1/quota/ledger'],
    ['POST', '/v1/generations'],
    ['GET', '/v1/generations'],
    ['GET', `/v1/generations/${new Types.ObjectId()}`],
    ['POST', `/v1/generations/${new Types.ObjectId()}/cancel`],
    ['DELETE', `/v1/generations/${new Types.ObjectId()}`],
  ])('is refused by %s %s', async (method, path) => {
    const authorization = `Bearer ${await api.issuer.sign({ sub: caller.clerkUserId })}`;
    const response = await api.request(`${path}?x=1`, { method, headers: { Authorization: authorization } });
    expect(await problemOf(response)).toMatchObject({
      status: 400,
      code: 'validation_failed',
      errors: [{ path: 'x', message: 'Unknown field' }],
    });
  });
});
