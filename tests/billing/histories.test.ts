import fc from 'fast-check';
import { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { stripeEvents } from '@/billing/applyEvent.ts';
import { endWithAccounts } from '@/billing/endWithAccount.ts';
import { toldOf } from '@/billing/events.ts';
import { type BillingDeps, syncCustomer } from '@/billing/sync.ts';
import { billingAccountsOf, ledgerOf, webhookEventsOf } from '@/models/collections.ts';
import { resetDueQuotas } from '@/repositories/accounts.ts';
import { owesEnding } from '@/repositories/endings.ts';
import { claimEvent, keepEvent, wakeEvents } from '@/repositories/inbox.ts';
import { settle } from '@/repositories/settlement.ts';
import { type ApplyEvent, attemptEvent } from '@/workflows/inbox.ts';
import { sweep } from '@/workflows/sweep.ts';
import { clearBooks } from '../support/books.ts';
import { contextOf, NO_GRACE } from '../support/context.ts';
import { START, type TestStore, useDatabase } from '../support/database.ts';
import { Crash, FAULTS, type Fate, Interleaving } from '../support/interleave.ts';
import { DAY } from '../support/stripe/calendar.ts';
import type { Event } from '../support/stripe/shapes.ts';
import { stripeWithin } from '../support/stripe/within.ts';
import { faultsAtRest, traces } from './histories/atRest.ts';
import { type Step, Story, steps } from './histories/happenings.ts';

/** Histories in all. */
const HISTORIES = Number(process.env['BILLING_RUNS'] ?? 400);
const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
const MINUTE = 60;
/** Histories that go on side by side, each over a database of its own. */
const lanes = Array.from({ length: 4 }, () => useDatabase());

const choices = fc.record({
  index: fc.nat(),
  fate: fc.oneof(
    { weight: 20, arbitrary: fc.constant<Fate>('lives') },
    { weight: 1, arbitrary: fc.constantFrom<Fate>(...FAULTS) },
  ),
  /** Whether the next step of the history happens now, whatever is under way. */
  goesOn: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  /** Seconds that pass before the command: sometimes longer than a lease. */
  seconds: fc.oneof({ weight: 40, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(1, 90) }),
});
type Choice = typeof choices extends fc.Arbitrary<infer T> ? T : never;

/** A process that takes one delivery, and applies it behind its answer. Each has its own client and shares nothing with others. */
async function take(store: TestStore, apply: ApplyEvent, event: Event): Promise<void> {
  const told = toldOf(JSON.parse(JSON.stringify(event)));
  if (!told) {
    // Of no interest: answered, and forgotten.
    event.pending_webhooks = 0;
    return;
  }
  const ctx = contextOf(store);
  const kept = await keepEvent(ctx, told, true);
  // From here on the sender has its answer, and repeats nothing.
  event.pending_webhooks = 0;
  if (kept) await attemptEvent(ctx, { stripe: apply, clerk: apply }, kept);
}

/** A process that looks for what others have left. */
async function look(store: TestStore, apply: ApplyEvent): Promise<void> {
  const ctx = contextOf(store);
  const event = await claimEvent(ctx);
  if (event) await attemptEvent(ctx, { stripe: apply, clerk: apply }, event);
}

/** A process that ends what deleted accounts pay for. */
async function endAccounts(store: TestStore, { userId }: Story, billing: BillingDeps): Promise<void> {
  await settle(store, [userId]);
  await endWithAccounts(billing, contextOf(store).log);
}

function billingOf(store: TestStore, story: Story): BillingDeps {
  const { plus, pro } = story.prices;
  const config = {
    secretKey: 'sk_test',
    apiBase: undefined,
    portalConfiguration: undefined,
    appUrl: 'http://localhost:3000',
    prices: { plus: plus.id, pro: pro.id },
  };
  return { store, stripe: stripeWithin(story.world), config, needsPerson() {} };
}

async function play(store: TestStore, script: readonly Step[], choose: () => Choice): Promise<void> {
  await clearBooks(store);
  await Promise.all([webhookEventsOf(store).deleteMany({}), billingAccountsOf(store).deleteMany({})]);
  store.clock.set(START);
  const story = new Story(store, new Types.ObjectId(), START.getTime() / 1000);
  const billing = billingOf(store, story);
  const interleaving = new Interleaving();
  const ends: Promise<PromiseSettledResult<void>>[] = [];
  const waiting = [...script];

  const step = async () => {
    const next = waiting.shift();
    if (!next) return;
    const known = story.world.events.size;
    await story.happen(next);
    const events = [...story.world.events.values()];
    const news = next.bringsNews ? events.slice(known) : [];
    const again = next.brings.flatMap((index) => events[index % Math.max(1, events.length)] ?? []);
    for (const event of [...news, ...again])
      ends.push(interleaving.start(() => take(store, stripeEvents(billing), event)));
    ends.push(interleaving.start(() => look(store, stripeEvents(billing))));
    ends.push(interleaving.start(() => endAccounts(store, story, billing)));
  };
  let goesOn = false;
  while (waiting.length > 0) {
    await step();
    await interleaving.play(
      () => {
        const { seconds, ...choice } = choose();
        goesOn = choice.goesOn;
        story.pass(seconds);
        return choice;
      },
      async () => {
        if (goesOn) await step();
      },
    );
  }
  for (const end of await Promise.all(ends)) if (end.status === 'rejected' && !isDeath(end.reason)) throw end.reason;
  await comeToRest(store, story, billing);
  expect(await faultsAtRest(store, story)).toEqual([]);
  await expectNothingNew(store, story, billing);
}

const isDeath = (reason: unknown) =>
  reason instanceof Crash || (reason instanceof Error && reason.name.startsWith('Mongo'));

/** What was lost comes again, leases of the dead end, and the jobs go round. */
async function comeToRest(store: TestStore, story: Story, billing: BillingDeps): Promise<void> {
  const ctx = contextOf(store);
  const apply = stripeEvents(billing);
  await story.signUp();
  story.pass(16 * MINUTE);
  for (let rounds = 0; ; rounds += 1) {
    expect(rounds, 'rounds until nothing is left to do').toBeLessThan(20);
    const lost = [...story.world.events.values()].filter(({ pending_webhooks }) => pending_webhooks > 0);
    for (const event of lost) await take(store, apply, event);
    await wakeEvents(ctx);
    let due = await claimEvent(ctx);
    const isQuiet = lost.length === 0 && !due;
    for (; due; due = await claimEvent(ctx)) await attemptEvent(ctx, { stripe: apply, clerk: apply }, due);
    // What was given up since nobody knew its user is found by the nightly comparison of everything.
    if (await webhookEventsOf(store).findOne({ outcome: 'expired' }))
      for (const customer of story.world.customers.keys()) await syncCustomer(billing, customer);
    await resetDueQuotas(store);
    while (Object.values(await sweep(ctx, NO_GRACE)).some((count) => count > 0));
    await endWithAccounts(billing, ctx.log);
    const open = await webhookEventsOf(store).countDocuments({ state: { $ne: 'ended' } });
    if (isQuiet && open === 0 && !(await owesEnding(store, story.userId))) break;
    // What waits for somebody whom nobody names any more waits for days.
    story.pass(rounds < 5 ? 10 * MINUTE : DAY);
  }
}

/** Everything once more, in another order, and a sync of everybody: nothing is written, and no quota reset. */
async function expectNothingNew(store: TestStore, story: Story, billing: BillingDeps): Promise<void> {
  const before = await traces(store, story);
  const resets = await ledgerOf(store).countDocuments({ userId: story.userId, kind: 'reset' });
  const months = (store.clock.now().getTime() - START.getTime()) / (28 * 86_400_000);
  expect(resets, 'resets').toBeLessThanOrEqual(story.periods.size + Math.ceil(months));
  for (const customer of story.world.customers.keys()) {
    const synced = await syncCustomer(billing, customer);
    expect(synced.result).not.toBe('repaired');
  }
  await resetDueQuotas(store);
  await sweep(contextOf(store), NO_GRACE);
  expect(await traces(store, story)).toEqual(before);
}

describe('what is stored, what is granted and what was paid for', () => {
  it(`are one at rest after any history (${HISTORIES} histories, FC_SEED=${SEED})`, async () => {
    const numRuns = Math.ceil(HISTORIES / lanes.length);
    await Promise.all(
      lanes.map((store, lane) =>
        fc.assert(
          fc.asyncProperty(
            fc.array(steps, { minLength: 1, maxLength: 9 }),
            fc.infiniteStream(choices),
            (script, stream) => play(store, script, () => stream.next().value),
          ),
          { numRuns, seed: SEED + lane },
        ),
      ),
    );
  }, 1_800_000);
});
