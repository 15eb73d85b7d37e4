import type { Types } from 'mongoose';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createMaintenance } from '@/jobs/maintenance.ts';
import { auditOf, generationsOf, jobStatesOf } from '@/models/collections.ts';
import { claimJob, prepareJob } from '@/repositories/jobLeases.ts';
import { problemOf } from '../../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../../support/application.ts';
import { signUp, useDatabase } from '../../support/database.ts';

const store = useDatabase();
let api: TestApplication;
let admin: Caller;
beforeAll(async () => {
  api = await testApplication(store);
  admin = await api.person({ metadata: { role: 'admin' } });
});
beforeEach(async () => {
  await jobStatesOf(store).deleteMany({});
});

const DAY = 86_400_000;

async function endedGeneration(status: 'completed' | 'failed', daysAgo: number): Promise<Types.ObjectId> {
  const at = new Date(store.clock.now().getTime() - daysAgo * DAY);
  const [made] = await store.models.ImageGeneration.insertMany(
    [{ userId: await signUp(store), type: 'text-to-image', prompt: 'A bay', status, createdAt: at, updatedAt: at }],
    { timestamps: false },
  );
  if (!made) throw new Error('One was inserted');
  return made._id;
}

const runs = () => auditOf(store).find({ action: 'maintenance.run' }).sort({ _id: 1 }).toArray();

describe('POST /v1/admin/maintenance/cleanup', () => {
  it('removes what is old and answers with what was done, on behalf of who asked', async () => {
    const kept = await endedGeneration('completed', 100);
    await endedGeneration('completed', 400);
    await endedGeneration('failed', 40);
    await store.models.Subscription.create({
      userId: await signUp(store),
      tier: 'plus',
      status: 'active',
      currentPeriodEnd: new Date(store.clock.now().getTime() - 60 * DAY),
    });
    const response = await admin.post('/v1/admin/maintenance/cleanup');
    expect([response.status, await response.json()]).toEqual([
      200,
      { oldGenerationsRemoved: 1, failedGenerationsRemoved: 1, subscriptionsUpdated: 1 },
    ]);
    expect(await generationsOf(store).distinct('_id', { prompt: 'A bay' })).toEqual([kept]);
    expect((await runs()).at(-1)).toMatchObject({
      actor: { kind: 'admin', id: admin.clerkUserId },
      detail: { task: 'cleanup' },
    });
  });

  it('is unavailable where pictures are out of reach', async () => {
    const { ctx } = api;
    const cleanup = { finishedDays: 365, failedDays: 30, deletedDays: 30 };
    const observer = { jobEnded() {}, jobSucceededAt() {} };
    const maintenance = createMaintenance({ ctx, storage: null, cleanup, observer });
    await expect(maintenance.cleanup({ kind: 'admin' })).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('POST /v1/admin/maintenance/quota-reset', () => {
  it('begins every month that is due, and tells how many', async () => {
    await admin.post('/v1/admin/maintenance/quota-reset');
    await Promise.all([signUp(store), signUp(store)]);
    const due = await store.models.User.countDocuments({});
    store.clock.advance(32 * DAY);
    const answers = [await admin.post('/v1/admin/maintenance/quota-reset')];
    answers.push(await admin.post('/v1/admin/maintenance/quota-reset'));
    expect(await Promise.all(answers.map((answer) => answer.json()))).toEqual([{ usersReset: due }, { usersReset: 0 }]);
    expect((await runs()).at(-1)).toMatchObject({
      actor: { kind: 'admin', id: admin.clerkUserId },
      detail: { task: 'quota-reset' },
    });
  });

  it('ends at its limit of time with what it has done, and leaves the rest to another run', async () => {
    const { ctx } = api;
    const cleanup = { finishedDays: 365, failedDays: 30, deletedDays: 30 };
    const observer = { jobEnded() {}, jobSucceededAt() {} };
    await signUp(store);
    store.clock.advance(32 * DAY);
    const hasty = createMaintenance({ ctx, storage: null, cleanup, observer, mostRunMs: 0 });
    const actor = { kind: 'admin' } as const;
    const first = await hasty.resetQuotas(actor).catch(({ code }) => code);
    expect([{ usersReset: 0 }, 'unavailable']).toContainEqual(first);
    const patient = createMaintenance({ ctx, storage: null, cleanup, observer });
    expect((await patient.resetQuotas(actor)).usersReset).toBeGreaterThan(0);
  });
});

describe.each(['cleanup', 'quota-reset'])('POST /v1/admin/maintenance/%s', (task) => {
  const job = task === 'cleanup' ? 'cleanup' : 'quota-resets';

  it('does not run beside the scheduled job: it is a conflict until that has ended', async () => {
    const instant = store.clock.now();
    await prepareJob(store, job, instant);
    const lease = await claimJob(store, { job, instant, holder: 'a process', leaseMs: 30_000 });
    expect(lease).not.toBeNull();
    const before = (await runs()).length;
    const refused = await admin.post(`/v1/admin/maintenance/${task}`);
    expect(await problemOf(refused)).toMatchObject({ status: 409, code: 'conflict' });
    expect(await runs()).toHaveLength(before);
    store.clock.advance(30_001);
    expect((await admin.post(`/v1/admin/maintenance/${task}`)).status).toBe(200);
  });

  it('gives its lease back, and shows as the last run of the job', async () => {
    await admin.post(`/v1/admin/maintenance/${task}`);
    const state = await jobStatesOf(store).findOne({ _id: job });
    expect(state).toMatchObject({ lastRun: { outcome: 'succeeded' } });
    expect(state).not.toHaveProperty('lease');
  });

  it('run by two at once is done by one of them or by both in turn', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => admin.post(`/v1/admin/maintenance/${task}`)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses).toContain(200);
    expect(statuses.filter((status) => status !== 200 && status !== 409)).toEqual([]);
  });

  it('refuses a body and a query', async () => {
    const bodied = await admin.post(`/v1/admin/maintenance/${task}`, { days: 1 });
    expect(await problemOf(bodied)).toMatchObject({ code: 'validation_failed', errors: [{ path: 'days' }] });
    const queried = await admin.post(`/v1/admin/maintenance/${task}?days=1`);
    expect(await problemOf(queried)).toMatchObject({ code: 'validation_failed', errors: [{ path: 'days' }] });
  });
});
