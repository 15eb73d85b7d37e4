import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WEBHOOK_EVENTS } from '@/domain/webhooks.ts';
import { type Announcer, createAnnouncer } from '@/jobs/announcer.ts';
import { publishEventsOf } from '@/workflows/publishEvents.ts';
import { sweep } from '@/workflows/sweep.ts';
import { type Caller, type TestApplication, testApplication } from '../support/application.ts';
import { clearBooks } from '../support/books.ts';
import { useDatabase } from '../support/database.ts';
import { type Claimed, outsideWorker } from '../support/outsideWorker.ts';

const store = useDatabase();
const MINUTE = 60_000;
let api: TestApplication;
let worker: ReturnType<typeof outsideWorker>;
let announcer: Announcer;
let wakes = 0;
beforeAll(async () => {
  api = await testApplication(store);
  worker = outsideWorker(api);
  announcer = createAnnouncer((ids) => publishEventsOf(store, ids), api.ctx.log);
  Object.assign(api.ctx, { announcer, courier: { wake: () => (wakes += 1) } });
});
beforeEach(async () => {
  await clearBooks(store);
  await store.models.WebhookDelivery.deleteMany({});
  wakes = 0;
});

async function listener(): Promise<Caller> {
  const caller = await api.person();
  const wanted = { url: 'https://hooks.example.com/', events: WEBHOOK_EVENTS };
  expect((await caller.post('/v1/webhook-endpoints', wanted)).status).toBe(201);
  return caller;
}

async function claimed(caller: Caller): Promise<Claimed> {
  expect((await caller.post('/v1/generations', { type: 'text-to-image', prompt: 'A bay' })).status).toBe(201);
  const generation = await worker.claim();
  if (!generation) throw new Error('One was just made');
  return generation;
}

const types = () => store.models.WebhookDelivery.distinct('type');

describe('an event is on its way without the sweep', () => {
  it('when an outside worker claims, and when it completes', async () => {
    const generation = await claimed(await listener());
    await announcer.drained();
    expect(await types()).toEqual(['generation.processing']);
    expect((await worker.complete(generation)).status).toBe(200);
    await announcer.drained();
    expect((await types()).sort()).toEqual(['generation.completed', 'generation.processing']);
  });

  it('when an outside worker fails, and when its owner cancels', async () => {
    const caller = await listener();
    const generation = await claimed(caller);
    expect((await worker.fail(generation, { retryable: false })).status).toBe(200);
    const created = await caller.post('/v1/generations', { type: 'text-to-image', prompt: 'A bay' });
    expect((await caller.post(`${created.headers.get('Location')}/cancel`)).status).toBe(200);
    await announcer.drained();
    expect((await types()).sort()).toEqual(['generation.cancelled', 'generation.failed', 'generation.processing']);
  });
});

describe('what the sweep ends itself', () => {
  it('is told of by the same sweep, which wakes the courier', async () => {
    const caller = await listener();
    const { id } = await claimed(caller);
    await announcer.drained();
    store.clock.advance(30 * MINUTE);
    await store.models.ImageGeneration.collection.updateMany({}, { $set: { attempts: 3 } });
    expect(await sweep(api.ctx)).toMatchObject({ attemptsEnded: 1, eventsPublished: 1 });
    expect((await types()).sort()).toEqual(['generation.failed', 'generation.processing']);
    expect(wakes).toBe(1);
    expect(await (await caller.get(`/v1/generations/${id}`)).json()).toMatchObject({ status: 'failed' });
  });

  it('leaves to a living process what that has just moved', async () => {
    await claimed(await listener());
    expect(await sweep(api.ctx)).toMatchObject({ attemptsEnded: 0, eventsPublished: 0 });
    await announcer.drained();
    expect(await types()).toEqual(['generation.processing']);
    expect(wakes).toBe(0);
  });
});
