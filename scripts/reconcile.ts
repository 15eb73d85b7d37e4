/**
 * `npm run reconcile` compares every subscription with Stripe's lists now, under the lease of the job, with progress, and goes on where a run was cut
 * off. The exit status is 0 when everything is equal or was made so, and 1 when a person has to look at some, Stripe cannot be asked, or it was
 * stopped before the end.
 */
import type { Reconciled } from '../src/billing/reconcile.ts';
import type { BillingDeps } from '../src/billing/sync.ts';
import { billingReconciliation } from '../src/jobs/catalogue.ts';
import { JOB_LEASE_MS } from '../src/jobs/runJob.ts';
import { runNow } from '../src/jobs/runNow.ts';
import type { Core } from '../src/runtimes/core.ts';
import { withCore } from './withCore.ts';

await withCore(async (core) => {
  if (core.billing.deps) return run(core, core.billing.deps);
  console.error('Stripe cannot be asked: STRIPE_SECRET_KEY is not set.');
  return 1;
});

async function run({ ctx, observer }: Core, billing: BillingDeps): Promise<number> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());
  let found: Reconciled | undefined;
  const job = billingReconciliation(billing, (soFar, goesOnSince) => {
    if (!found && goesOnSince) console.error(`goes on with the run that began at ${goesOnSince.toISOString()}`);
    found = { ...soFar };
    console.error(told(soFar));
  });
  const ran = await runNow({ ctx, observer, leaseMs: JOB_LEASE_MS }, job, stopping.signal);
  if (ran.outcome === 'held') {
    const until = ran.lease?.expiresAt.toISOString();
    console.error(`It is being run by ${ran.lease?.holder}, whose lease ends at ${until} unless it is renewed.`);
    return 1;
  }
  if (found) console.log(`${told(found)}, events taken in ${found.eventsKept}`);
  if (ran.outcome !== 'succeeded') console.error(`It ${ran.outcome}${ran.error === undefined ? '' : `: ${ran.error}`}`);
  if (ran.outcome === 'stopped') console.error('The next run goes on from here.');
  return ran.outcome === 'succeeded' && found?.needPerson === 0 ? 0 : 1;
}

function told({ equal, repaired, unknown, needPerson }: Reconciled): string {
  return `equal ${equal}, repaired ${repaired}, unknown ${unknown}, need a person ${needPerson}`;
}
