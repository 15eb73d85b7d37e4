import { beforeAll, describe, expect, it } from 'vitest';
import { createJobs } from '@/jobs/catalogue.ts';
import { startScheduler } from '@/jobs/scheduler.ts';
import { ledgerOf } from '@/models/collections.ts';
import { readJobState } from '@/repositories/jobLeases.ts';
import { diskStorage } from '@/storage/disk.ts';
import { claim } from '@/workflows/claim.ts';
import { consumeQuota } from '@/workflows/consumeQuota.ts';
import { createGeneration } from '@/workflows/createGeneration.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { contextOf } from '../support/context.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';

const store = useDatabase();
const ctx = contextOf(store);
const DAY = 24 * 60 * 60 * 1000;

function processOfJobs() {
  const jobs = createJobs({
    ctx,
    storage: diskStorage('/nowhere'),
    cleanup: { finishedDays: 365, failedDays: 30, deletedDays: 30 },
    billing: null,
  });
  return startScheduler({ ctx, jobs, observer: { jobEnded() {}, jobSucceededAt() {} }, tickMs: 2 ** 30 });
}

describe('the jobs, in four processes at once', () => {
  const processes = Array.from({ length: 4 }, processOfJobs);
  const look = () => Promise.all(processes.map((process) => process.look()));
  beforeAll(look);

  it('begin the month of everybody whose month is over, once', async () => {
    const users = await Promise.all(Array.from({ length: 5 }, () => signUp(store)));
    for (const _id of users) await consumeQuota(ctx, { _id }, { credits: 3 });
    store.clock.advance(32 * DAY);
    await look();
    await sweep(ctx, 0);
    for (const _id of users) {
      expect(await readUser(store, _id)).toMatchObject({ monthlyUsage: 0, periodNumber: 2 });
      expect(await ledgerOf(store).countDocuments({ userId: _id, kind: 'reset' })).toBe(1);
    }
    expect((await readJobState(store, 'quota-resets'))?.lastRun?.result).toEqual({ usersReset: 5 });
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
  });

  it('end the attempt of a worker that has died, as a sweep would', async () => {
    const _id = await signUp(store);
    const { generation } = await createGeneration(ctx, { _id }, { type: 'text-to-image', prompt: 'A bay' });
    await sweep(ctx, 0);
    expect((await claim(ctx, { workerId: 'dead', leaseSeconds: 60 }))?._id).toEqual(generation._id);
    store.clock.advance(61_000);
    await look();
    expect((await readJobState(store, 'stalled-generations'))?.lastRun?.result).toEqual({ attemptsEnded: 1 });
    expect(await sweep(ctx, 0)).toMatchObject({ attemptsEnded: 0 });
    expect((await claim(ctx, { workerId: 'other', leaseSeconds: 60 }))?._id).toEqual(generation._id);
  });

  it('clean up once a night', async () => {
    store.clock.advance(DAY);
    await look();
    const state = await readJobState(store, 'cleanup');
    expect(state?.doneFor.toISOString()).toMatch(/T03:30:00.000Z$/);
    expect(state?.lastRun).toMatchObject({
      outcome: 'succeeded',
      result: { oldGenerationsRemoved: 0, failedGenerationsRemoved: 0, subscriptionsUpdated: 0 },
    });
    await Promise.all(processes.map((process) => process.stop()));
  });
});
