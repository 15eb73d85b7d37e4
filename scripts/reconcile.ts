/**
 * `npm run reconcile` compares every subscription with Stripe's lists now, with progress. The exit status is 0 when everything is equal or was
 * made so, and 1 when a person has to look at some, or Stripe cannot be asked.
 */
import { type Reconciled, reconcile } from '../src/billing/reconcile.ts';
import { withCore } from './withCore.ts';

await withCore(async ({ billing }) => {
  if (!billing.deps) {
    console.error('Stripe cannot be asked: STRIPE_SECRET_KEY is not set.');
    return 1;
  }
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());
  const told = ({ equal, repaired, unknown, needPerson }: Reconciled) =>
    `equal ${equal}, repaired ${repaired}, unknown ${unknown}, need a person ${needPerson}`;
  const found = await reconcile(billing.deps, {
    signal: stopping.signal,
    onProgress: (soFar) => {
      if ((soFar.equal + soFar.repaired + soFar.unknown) % 25 === 0) console.error(told(soFar));
    },
  });
  console.log(
    `${told(found)}, events taken in ${found.eventsKept}${stopping.signal.aborted ? ' (stopped before the end)' : ''}`,
  );
  return found.needPerson === 0 && !stopping.signal.aborted ? 0 : 1;
});
