import { type ApplyEvent, UnknownUserError } from '../workflows/inbox.ts';
import { coalescing } from './coalescing.ts';
import { factsSchema } from './events.ts';
import { followReturn } from './returnedMoney.ts';
import { type BillingDeps, type Synced, syncCustomer } from './sync.ts';

/** Applies Stripe's events: each one makes its customer's subscriptions equal to Stripe's. */
export function stripeEvents(deps: BillingDeps): ApplyEvent {
  const sync = coalescing((customer: string, names: readonly string[]) => syncCustomer(deps, customer, { names }));

  return async (event) => {
    const { names, returned } = factsSchema.parse(event.facts);
    const customer = returned ? ((await followReturn(deps, returned)) ?? event.subject) : event.subject;
    if (customer === undefined) return 'ignored';
    return outcomeOf(await sync(customer, names));
  };
}

function outcomeOf(synced: Synced): 'applied' | 'ignored' {
  if (synced.result === 'unknown_user') throw new UnknownUserError(synced.names);
  return synced.result === 'nothing' ? 'ignored' : 'applied';
}
