import { confirmSyncs } from '../billing/confirmSyncs.ts';
import { endWithAccounts } from '../billing/endWithAccount.ts';
import { type ReconcileOptions, reconcile } from '../billing/reconcile.ts';
import type { BillingDeps } from '../billing/sync.ts';
import type { Env } from '../config/env.ts';
import type { Actor } from '../domain/audit.ts';
import { WEBHOOK_LIMITS } from '../domain/webhooks.ts';
import { rollUp } from '../models/statements/usage/rollUp.ts';
import { resetDueQuotas } from '../repositories/accounts.ts';
import { recordAct } from '../repositories/audit.ts';
import { wakeEvents } from '../repositories/inbox.ts';
import { removeOldDeliveries } from '../repositories/webhookDeliveries.ts';
import { removeDeletedEndpoints } from '../repositories/webhookEndpoints.ts';
import type { PictureStorage } from '../storage/port.ts';
import { performMaintenanceCleanup } from '../workflows/cleanup.ts';
import type { Context } from '../workflows/context.ts';
import { endStalled } from '../workflows/endGeneration.ts';
import type { Job } from './job.ts';
import { scheduleOf } from './schedule.ts';

export interface CatalogueDeps {
  ctx: Context;
  /** Null where pictures are out of reach; then there is no cleanup. */
  storage: PictureStorage | null;
  cleanup: Env['cleanup'];
  /** Null where Stripe cannot be asked; then there is nothing to compare with. */
  billing: BillingDeps | null;
}

const CLEANUP: Actor = { kind: 'job', id: 'cleanup' };

/** Every job that this process can do, in the order in which people read them. */
export function createJobs({ ctx, storage, cleanup, billing }: CatalogueDeps): Job[] {
  const everywhere = [
    quotaResets(ctx),
    stalledGenerations(ctx),
    rollups(ctx),
    webhookHistory(ctx),
    waitingWebhooks(ctx),
    ...(billing
      ? [billingReconciliation(billing), billingConfirmations(ctx, billing), billingEndings(ctx, billing)]
      : []),
  ];
  return storage ? [...everywhere, nightlyCleanup(ctx, storage, cleanup)] : everywhere;
}

/** @param operator who has it done out of turn, for the audit trail */
export function quotaResets(ctx: Context, operator?: Actor): Job {
  return {
    name: 'quota-resets',
    summary: 'Begins the new month of every user whose month is over.',
    schedule: scheduleOf('*/5 * * * *'),
    async run(signal) {
      if (operator) {
        await recordAct(ctx, { action: 'maintenance.run', actor: operator, detail: { task: 'quota-reset' } });
      }
      return { usersReset: await resetDueQuotas(ctx, { signal }) };
    },
  };
}

function stalledGenerations(ctx: Context): Job {
  return {
    name: 'stalled-generations',
    summary: 'Ends attempts whose worker is dead or hangs, as every sweep does.',
    schedule: scheduleOf('* * * * *'),
    async run() {
      return { attemptsEnded: await endStalled(ctx) };
    },
  };
}

function rollups(ctx: Context): Job {
  return {
    name: 'rollups',
    summary: 'Counts what has changed since the last run into the days that analytics reads.',
    schedule: scheduleOf('* * * * *'),
    async run(signal) {
      // A run may be cut off anywhere.
      return { ...(await rollUp(ctx, { onProgress: () => signal.throwIfAborted() })) };
    },
  };
}

function webhookHistory(ctx: Context): Job {
  return {
    name: 'webhook-history',
    summary: 'Removes deliveries to webhook endpoints, and endpoints that were deleted, when they are a month old.',
    schedule: scheduleOf('45 3 * * *'),
    async run() {
      const deliveriesRemoved = await removeOldDeliveries(ctx);
      const deletedBefore = new Date(ctx.clock.now().getTime() - WEBHOOK_LIMITS.historyMs);
      return { deliveriesRemoved, endpointsRemoved: await removeDeletedEndpoints(ctx, deletedBefore) };
    },
  };
}

/** @param actor who has it done, for the audit trail */
export function waitingWebhooks(ctx: Context): Job {
  return {
    name: 'waiting-webhooks',
    summary: 'Looks for the users whom webhooks wait for.',
    schedule: scheduleOf('*/20 * * * * *'),
    run: () => wakeEvents(ctx).then((woken) => ({ ...woken })),
  };
}

/** @param onProgress told after each page */
export function billingReconciliation(billing: BillingDeps, onProgress?: ReconcileOptions['onProgress']): Job {
  return {
    name: 'billing-reconcile',
    summary: "Compares every subscription with Stripe's lists, and takes in what Stripe could not deliver.",
    schedule: scheduleOf('15 2 * * *'),
    run: async (signal, progress) => ({ ...(await reconcile(billing, { signal, progress, onProgress })) }),
  };
}

function billingConfirmations({ log }: Context, billing: BillingDeps): Job {
  return {
    name: 'billing-confirmations',
    summary: 'Looks at Stripe once more where a process died that has written what it had learned there.',
    schedule: scheduleOf('* * * * *'),
    run: (signal) => confirmSyncs(billing, log, signal),
  };
}

function billingEndings({ log }: Context, billing: BillingDeps): Job {
  return {
    name: 'billing-endings',
    summary: 'Ends at Stripe what accounts pay for that were deleted, and their open Checkouts.',
    schedule: scheduleOf('*/20 * * * * *'),
    run: (signal) => endWithAccounts(billing, log, signal),
  };
}

export function nightlyCleanup(
  ctx: Context,
  storage: PictureStorage,
  ages: Env['cleanup'],
  actor: Actor = CLEANUP,
): Job {
  return {
    name: 'cleanup',
    summary: 'Removes old generations with their pictures, and ends subscriptions that have run out.',
    schedule: scheduleOf('30 3 * * *'),
    async run(signal) {
      const options = { ...ages, removePicture: storage.remove, actor, signal };
      return { ...(await performMaintenanceCleanup(ctx, options)) };
    },
  };
}
