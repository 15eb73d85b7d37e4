import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { jobStatesOf, webhookEventsOf } from '@/models/collections.ts';
import { keepEvent } from '@/repositories/inbox.ts';
import { prepareJob } from '@/repositories/jobLeases.ts';
import { testApplication } from '../support/application.ts';
import { admitAll } from '../support/context.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();
const api = await testApplication(store);

const health = z.object({
  problems: z.array(z.string()),
  jobs: z.array(z.looseObject({ name: z.string() })),
  queue: z.object({ queued: z.number(), waiting: z.number(), oldestSeconds: z.number() }),
  inbox: z.object({ open: z.number(), stuck: z.number(), waiting: z.number(), oldestSeconds: z.number() }),
});

async function ready() {
  const response = await api.request('/readyz');
  expect(response.status).toBe(200);
  const text = await response.text();
  return { text, ...health.parse(JSON.parse(text)) };
}

describe('/readyz', () => {
  it('names no problem where there is none', async () => {
    expect(await ready()).toMatchObject({ problems: [], queue: { queued: 0 }, inbox: { stuck: 0 } });
  });

  it('names a job whose last run has failed, and keeps what it failed of to itself', async () => {
    const at = store.clock.now();
    await prepareJob(store, 'rollups', at);
    const run = { instant: at, holder: 'h', startedAt: at, outcome: 'failed' as const, error: 'somebody@example.com' };
    await jobStatesOf(store).updateOne({ _id: 'rollups' }, { $set: { lastRun: run, lastSuccessAt: at } });
    const { problems, jobs, text } = await ready();
    expect(problems).toEqual(['job_failed: rollups']);
    expect(jobs).toEqual([{ name: 'rollups', outcome: 'failed', lastSuccessAt: at.toISOString() }]);
    expect(text).not.toContain('somebody@example.com');
    await jobStatesOf(store).deleteMany({});
  });

  it('names a queue that nobody works on', async () => {
    const person = await api.person();
    const made = await person.post('/v1/generations', { type: 'text-to-image', prompt: 'A lighthouse' });
    expect(made.status).toBe(201);
    expect(await admitAll(store)).toBe(1);
    store.clock.advance(301_000);
    const { problems, queue } = await ready();
    expect(problems).toEqual(['queue_late']);
    expect(queue).toMatchObject({ queued: 1, oldestSeconds: expect.closeTo(301, 0) });
    await person.post(`/v1/generations/${(await made.json()).id}/cancel`);
  });

  it('names events that cannot be applied, and those that nobody applies', async () => {
    const told = { source: 'stripe', id: 'evt_1', type: 'x', occurredAt: store.clock.now(), facts: {} } as const;
    await keepEvent(store, told, false);
    await keepEvent(store, { ...told, id: 'evt_2' }, false);
    expect((await ready()).problems).toEqual([]);
    await webhookEventsOf(store).updateOne({ _id: 'stripe:evt_1' }, { $set: { state: 'stuck' } });
    store.clock.advance(301_000);
    const { problems, inbox } = await ready();
    expect(problems).toEqual(['inbox_stuck', 'inbox_late']);
    expect(inbox).toMatchObject({ open: 1, stuck: 1 });
  });
});
