import { expect } from 'vitest';
import { stripeEvents } from '@/billing/applyEvent.ts';
import { confirmSyncs } from '@/billing/confirmSyncs.ts';
import { endWithAccounts } from '@/billing/endWithAccount.ts';
import { reconcile } from '@/billing/reconcile.ts';
import { billingAccountsOf, subscriptionsOf, webhookEventsOf } from '@/models/collections.ts';
import { resetDueQuotas } from '@/repositories/accounts.ts';
import { type ClaimedEvent, claimEvent, wakeEvents } from '@/repositories/inbox.ts';
import { attemptEvent } from '@/workflows/inbox.ts';
import { sweep } from '@/workflows/sweep.ts';
import { behindGate, pastGates } from '../../support/commandGate.ts';
import { contextOf, NO_GRACE } from '../../support/context.ts';
import type { TestStore } from '../../support/database.ts';
import { DAY } from '../../support/stripe/calendar.ts';
import type { World } from '../../support/stripe/world.ts';
import { take } from './deeds.ts';
import type { Scene } from './scene.ts';

const MINUTE = 60;

/** What was lost comes again, leases of the dead end, and the jobs go round, until nothing is left to do. */
export async function comeToRest(scene: Scene): Promise<void> {
  scene.fault = null;
  for (const story of scene.stories) await story.signUp(scene.store);
  scene.pass(16 * MINUTE);
  await watched(scene, async () => {
    for (let rounds = 0; await hadWork(scene); rounds += 1) {
      expect(rounds, 'rounds until nothing is left to do').toBeLessThan(20);
      // What waits for somebody whom nobody names any more waits for days.
      scene.pass(rounds < 5 ? 10 * MINUTE : DAY);
    }
  });
}

/** One round of everything; false when there was nothing to do, and nothing is left. */
async function hadWork(scene: Scene): Promise<boolean> {
  const { store, billing, world } = scene;
  const ctx = contextOf(store);
  const apply = stripeEvents(billing);
  const lost = undelivered(world);
  // One process with many hands, as the inbox is.
  await Promise.all(lost.map((event) => take(scene, apply, event)));
  await wakeEvents(ctx);
  const due = await dueEvents(store);
  await Promise.all(due.map((event) => attemptEvent(ctx, { stripe: apply, clerk: apply }, event)));
  // What was given up since nobody knew its user is found by the nightly comparison of everything.
  if (await webhookEventsOf(store).findOne({ outcome: 'expired' })) await reconcile(billing);
  const { customersConfirmed } = await confirmSyncs(billing, ctx.log);
  const { accountsEnded, checkoutsExpired } = await endWithAccounts(billing, ctx.log);
  await resetDueQuotas(store);
  while (Object.values(await sweep(ctx, NO_GRACE)).some((count) => count > 0));
  const done = [lost.length, due.length, customersConfirmed, accountsEnded, checkoutsExpired];
  return [...done, ...(await leftIn(scene))].some((count) => count > 0);
}

const undelivered = ({ events }: World) => [...events.values()].filter(({ pending_webhooks }) => pending_webhooks > 0);

/** How much is still to be done. */
function leftIn({ store, world }: Scene): Promise<number[]> {
  const owing = { 'ending.id': { $exists: true } };
  return Promise.all([
    undelivered(world).length,
    webhookEventsOf(store).countDocuments({ state: { $ne: 'ended' } }),
    subscriptionsOf(store).countDocuments({ unconfirmed: { $exists: true } }),
    subscriptionsOf(store).countDocuments(owing),
    billingAccountsOf(store).countDocuments(owing),
  ]);
}

async function dueEvents(store: TestStore): Promise<ClaimedEvent[]> {
  const events: ClaimedEvent[] = [];
  for (let due = await claimEvent(store); due; due = await claimEvent(store)) events.push(due);
  return events;
}

/** Looks at the accounts after every command that may have begun a period. */
function watched(scene: Scene, run: () => Promise<void>): Promise<void> {
  return behindGate(async (command) => {
    const answer = await command.send();
    if (mayReset(command)) await pastGates(() => scene.periods.lookAtAccounts());
    return answer;
  }, run);
}

export const mayReset = ({ collection, name }: { collection: string; name: string }): boolean =>
  collection === 'users' && (name === 'findOneAndUpdate' || name === 'bulkWrite');

/** Everything is compared once more, and every job done again: nothing is written, and no quota reset. */
export async function expectNothingNew(scene: Scene, traces: () => Promise<unknown>): Promise<void> {
  const { store, billing } = scene;
  const before = await traces();
  expect(await reconcile(billing)).toMatchObject({ repaired: 0, unknown: 0, eventsKept: 0 });
  await resetDueQuotas(store);
  await sweep(contextOf(store), NO_GRACE);
  expect(await traces()).toEqual(before);
}
