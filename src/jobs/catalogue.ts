import type { Env } from '../config/env.ts';
import type { Actor } from '../domain/audit.ts';
import { resetDueQuotas } from '../repositories/accounts.ts';
import { endStalledAttempts } from '../repositories/queue.ts';
import type { PictureStorage } from '../storage/port.ts';
import { performMaintenanceCleanup } from '../workflows/cleanup.ts';
import type { Context } from '../workflows/context.ts';
import type { Job } from './job.ts';
import { scheduleOf } from './schedule.ts';

export interface CatalogueDeps {
  ctx: Context;
  storage: PictureStorage;
  cleanup: Env['cleanup'];
}

const CLEANUP: Actor = { kind: 'job', id: 'cleanup' };

/** Every job there is, in the order in which people read them. */
export function createJobs({ ctx, storage, cleanup }: CatalogueDeps): Job[] {
  return [
    {
      name: 'quota-resets',
      summary: 'Begins the new month of every user whose month is over.',
      schedule: scheduleOf('*/5 * * * *'),
      run: async (signal) => ({ usersReset: await resetDueQuotas(ctx, { signal }) }),
    },
    {
      name: 'stalled-generations',
      summary: 'Ends attempts whose worker is dead or hangs, as every sweep does.',
      schedule: scheduleOf('* * * * *'),
      async run() {
        const attemptsEnded = await endStalledAttempts(ctx);
        if (attemptsEnded > 0) ctx.queue.wake();
        return { attemptsEnded };
      },
    },
    {
      name: 'cleanup',
      summary: 'Removes old generations with their pictures, and ends subscriptions that have run out.',
      schedule: scheduleOf('30 3 * * *'),
      async run(signal) {
        const options = { ...cleanup, removePicture: storage.remove, actor: CLEANUP, signal };
        return { ...(await performMaintenanceCleanup(ctx, options)) };
      },
    },
  ];
}
