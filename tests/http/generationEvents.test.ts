import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generationsOf } from '@/models/collections.ts';
import { releaseLease } from '@/repositories/leases.ts';
import { claim as claimNext } from '@/workflows/claim.ts';
import { complete } from '@/workflows/endGeneration.ts';
import { problemOf } from '../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../support/application.ts';
import { useDatabase } from '../support/database.ts';
import { eventsOf } from '../support/events.ts';

const store = useDatabase();
let application: TestApplication;
let ada: Caller;
beforeAll(async () => {
  application = await testApplication(store);
  ada = await application.person();
});
afterAll(() => application.watch.stop());

const PICTURE = { url: '/images/a.png', filename: 'a.png', size: 1 };

async function created(caller: Caller): Promise<string> {
  const response = await caller.post('/v1/generations', { type: 'text-to-image', prompt: 'A quiet bay' });
  expect(response.status).toBe(201);
  const { id } = await response.json();
  return id;
}

async function claim() {
  const claimed = await claimNext(application.ctx, { workerId: 'w', leaseSeconds: 60 });
  if (!claimed) throw new Error('One waits');
  return { id: claimed._id, token: claimed.lease.token };
}

const open = (id: string, headers: Record<string, string> = {}) =>
  ada.get(`/v1/generations/${id}/events`, { Accept: 'text/event-stream', ...headers });

describe('GET /v1/generations/{id}/events', () => {
  it('tells the present state, each change as it happens, and ends at the final one', async () => {
    const response = await open(await created(ada));
    const events = eventsOf(response);
    expect(response.headers.get('Content-Type')).toBe('text/event-stream');
    expect(response.headers.get('Cache-Control')).toContain('no-store');
    expect(response.headers.get('X-Accel-Buffering')).toBe('no');
    expect(await events.next()).toMatchObject({ id: '0-pending', status: 'pending', startedAt: null });
    const { id, token } = await claim();
    expect(await events.next()).toMatchObject({ id: '1-processing', status: 'processing', images: 0 });
    await complete(application.ctx, id, token, { outputImages: [PICTURE] });
    expect(await events.next()).toMatchObject({ id: '2-completed', status: 'completed', images: 1 });
    expect(await events.next()).toBeNull();
  });

  it('tells who comes back every change that was missed, and nothing twice', async () => {
    const path = await created(ada);
    const first = await claim();
    await releaseLease(store, first.id, first.token);
    const second = await claim();
    await complete(application.ctx, second.id, second.token, { outputImages: [PICTURE] });
    const events = eventsOf(await open(path, { 'Last-Event-ID': '1-processing' }));
    const missed = [await events.next(), await events.next(), await events.next()];
    expect(missed).toMatchObject([
      { id: '2-pending', startedAt: null, images: 0 },
      { id: '3-processing', startedAt: expect.any(String), images: 0 },
      { id: '4-completed', images: 1 },
    ]);
    expect(await events.next()).toBeNull();
    expect((await open(path, { 'Last-Event-ID': '4-completed' })).status).toBe(204);
    expect(await eventsOf(await open(path, { 'Last-Event-ID': 'nonsense' })).next()).toMatchObject({
      id: '4-completed',
    });
  });

  it('loses no change to a client that does not read', async () => {
    const response = await open(await created(ada));
    const { id, token } = await claim();
    await complete(application.ctx, id, token, { outputImages: [PICTURE] });
    const events = eventsOf(response);
    const ids = [(await events.next())?.id, (await events.next())?.id, (await events.next())?.id];
    expect(ids).toEqual(['0-pending', '1-processing', '2-completed']);
    expect(await events.next()).toBeNull();
  });

  it('ends when the generation is deleted, or gone', async () => {
    const deleted = await created(ada);
    const gone = await created(ada);
    const streams = [eventsOf(await open(deleted)), eventsOf(await open(gone))];
    for (const stream of streams) await stream.next();
    await ada.delete(`/v1/generations/${deleted}`);
    await generationsOf(store).deleteOne({ _id: new Types.ObjectId(gone) });
    for (const stream of streams) expect(await stream.next()).toBeNull();
  });

  it("is 404 for another user's and for one that is not there, and 401 without a token", async () => {
    const id = await created(ada);
    const other = await application.person();
    expect((await problemOf(await other.get(`/v1/generations/${id}/events`))).code).toBe('not_found');
    expect((await open(new Types.ObjectId().toHexString())).status).toBe(404);
    expect((await application.request(`/v1/generations/${id}/events`)).status).toBe(401);
  });

  it('is 429 for more streams at once than a user may have, until one of them is closed', async () => {
    const eve = await application.person();
    const path = `/v1/generations/${await created(eve)}/events`;
    const streams = await Promise.all(Array.from({ length: 100 }, () => eve.get(path)));
    const refused = await eve.get(path);
    expect((await problemOf(refused)).code).toBe('rate_limited');
    expect(refused.headers.get('Retry-After')).toBeTruthy();
    await streams[0]?.body?.cancel();
    expect((await eve.get(path)).status).toBe(200);
  });

  it('counts while its connection is there, where that outlives it', async () => {
    const eve = await application.person();
    const path = `/v1/generations/${await created(eve)}/events`;
    const taken = Promise.withResolvers<void>();
    const headers = { Authorization: `Bearer ${eve.token}` };
    const lasting = await application.request(path, { headers }, { taken: () => taken.promise });
    await Promise.all(Array.from({ length: 99 }, () => eve.get(path)));
    await lasting.body?.cancel();
    expect((await eve.get(path)).status).toBe(429);
    taken.resolve();
    await taken.promise;
    expect((await eve.get(path)).status).toBe(200);
  });

  it('ends between two events when the process stops', async () => {
    const other = await testApplication(store);
    const bob = await other.person();
    const events = eventsOf(await bob.get(`/v1/generations/${await created(bob)}/events`));
    await events.next();
    await other.watch.stop();
    expect(await events.next()).toBeNull();
  });
});
