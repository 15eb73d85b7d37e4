import { stripeEvents } from '@/billing/applyEvent.ts';
import { changeSubscription, type SubscriptionChange } from '@/billing/change.ts';
import { openCheckout } from '@/billing/checkout.ts';
import { endWithAccounts } from '@/billing/endWithAccount.ts';
import { toldOf } from '@/billing/events.ts';
import { openPortal } from '@/billing/portal.ts';
import { TIERS_SOLD } from '@/billing/stripe.ts';
import { ArtifexError } from '@/domain/errors.ts';
import { usersOf } from '@/models/collections.ts';
import { deleteUser, resetDueQuotas, restoreUser } from '@/repositories/accounts.ts';
import { owesEnding } from '@/repositories/endings.ts';
import { claimEvent, keepEvent } from '@/repositories/inbox.ts';
import { settle } from '@/repositories/settlement.ts';
import { consumeQuota } from '@/workflows/consumeQuota.ts';
import { type ApplyEvent, attemptEvent } from '@/workflows/inbox.ts';
import { sweep } from '@/workflows/sweep.ts';
import { pastGates } from '../../support/commandGate.ts';
import { contextOf, NO_GRACE } from '../../support/context.ts';
import type { TestStore } from '../../support/database.ts';
import { type Again, Crash } from '../../support/interleave.ts';
import type { Event } from '../../support/stripe/shapes.ts';
import type { Scene } from './scene.ts';
import type { Story } from './story.ts';

/** A process of Artifex's. Each has its own client of Stripe's events, and shares nothing with others. */
export type Process = () => Promise<unknown>;

/** Something that somebody asks of Artifex, or that one of its jobs does. */
export interface Deed {
  name: string;
  weight: number;
  isPossible(story: Story): boolean;
  /** Who waits for it asks again where no answer comes. */
  isWaitedFor: boolean;
  /** @param pick chooses the tier, and how many ask at once */
  processes(scene: Scene, story: Story, pick: number): Process[];
}

/** Takes one delivery, and applies it behind its answer. */
export async function take({ store }: Scene, apply: ApplyEvent, event: Event): Promise<void> {
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

export const delivery =
  (scene: Scene, event: Event): Process =>
  () =>
    take(scene, stripeEvents(scene.billing), event);

const JOBS: Deed[] = [
  job('look for what others have left', 4, ({ store, billing }) => async () => {
    const ctx = contextOf(store);
    const apply = stripeEvents(billing);
    const event = await claimEvent(ctx);
    if (event) await attemptEvent(ctx, { stripe: apply, clerk: apply }, event);
  }),
  job(
    'begin new months',
    3,
    ({ store }) =>
      () =>
        resetDueQuotas(store),
  ),
  job(
    'sweep',
    0.5,
    ({ store }) =>
      () =>
        sweep(contextOf(store), NO_GRACE),
  ),
  {
    ...job('end what deleted accounts pay for', 20, ({ store, billing }, story) => async () => {
      await settle(store, [story.userId]);
      await endWithAccounts(billing, contextOf(store).log);
      if (await pastGates(() => isEnded(store, story))) story.isClosed = true;
    }),
    isPossible: ({ hasLeft }) => hasLeft,
  },
];

/** Whether nothing is left to be ended of an account that is deleted. */
async function isEnded(store: TestStore, { userId, comingBack }: Story): Promise<boolean> {
  const user = await usersOf(store).findOne({ _id: userId });
  return user?.isDeleted === true && comingBack === 0 && !(await owesEnding(store, userId));
}

function job(name: string, weight: number, process: (scene: Scene, story: Story) => Process): Deed {
  const processes = (scene: Scene, story: Story) => [process(scene, story)];
  return { name, weight, isPossible: () => true, isWaitedFor: false, processes };
}

const isHere = ({ signedUpAt, hasLeft }: Story) => signedUpAt !== undefined && !hasLeft;

const leaving = (name: string, weight: number, isPossible: Deed['isPossible']): Deed => ({
  name,
  weight,
  isPossible,
  isWaitedFor: false,
  processes: ({ store }, story) => {
    story.hasLeft = true;
    return [() => deleteUser(store, { _id: story.userId }, { kind: 'webhook', id: 'clerk' })];
  },
});

const ACCOUNT: Deed[] = [
  {
    name: 'spends credits',
    weight: 4,
    isPossible: isHere,
    isWaitedFor: true,
    processes: ({ store }, { userId }, pick) => {
      const idempotency = { key: crypto.randomUUID(), fingerprint: 'spent' };
      return [() => consumeQuota(contextOf(store), { _id: userId }, { credits: 1 + pick }, idempotency)];
    },
  },
  leaving('leaves', 1, isHere),
  leaving('leaves an open page', 6, (story) => isHere(story) && story.openPages().length > 0),
  {
    name: 'comes back',
    weight: 10,
    isPossible: ({ hasLeft }) => hasLeft,
    isWaitedFor: true,
    processes: ({ store }, story) => [
      async () => {
        story.isClosed = false;
        story.comingBack += 1;
        await restoreUser(store, { _id: story.userId }, { kind: 'webhook', id: 'clerk' }).finally(() => {
          story.comingBack -= 1;
        });
        story.hasLeft = false;
      },
    ],
  },
];

/** Has bought the lower tier, and pays for it. */
const canRise = (story: Story) =>
  story.live().some(({ status, items }) => status === 'active' && items.data[0]?.price.lookup_key === 'artifex_plus');

/** One who asks for the change, or two at once. */
const changes = (
  name: string,
  weight: number,
  wish: SubscriptionChange,
  isPossible: (story: Story) => boolean = () => true,
  least = 1,
): Deed => ({
  name,
  weight,
  isPossible: (story) => isHere(story) && story.live().length > 0 && isPossible(story),
  isWaitedFor: true,
  processes: ({ billing, prorations }, story, pick) =>
    Array.from({ length: pick > 4 ? 2 : least }, () => {
      const asked = {};
      return () => prorations.asking(story, asked, () => changeSubscription(billing, story.userId, wish));
    }),
});

const checkout = (name: string, weight: number, isPossible: (story: Story) => boolean): Deed => ({
  name,
  weight,
  isPossible: (story) => story.isCustomerOfOurs && isHere(story) && isPossible(story),
  isWaitedFor: true,
  processes: ({ billing }, story, pick) => {
    const payer = { _id: story.userId, email: `${story.userId}@example.com`, name: 'Somebody' };
    const asks = (choice: number) => async () => {
      story.isAsking = true;
      const url = await openCheckout(billing, payer, TIERS_SOLD[choice % 2] ?? 'plus').finally(() => {
        story.isAsking = false;
      });
      story.isGiven(url.split('/').at(-1) ?? '');
    };
    // One alone, two of one mind, or two who want different tiers.
    return pick < 4 ? [asks(pick)] : [asks(pick), asks(pick === 4 ? pick : pick + 1)];
  },
});

const SUBSCRIPTION: Deed[] = [
  checkout(
    'asks for a Checkout',
    40,
    (story) => story.live().length === 0 && story.openPages().length === 0 && !story.isAsking,
  ),
  checkout('asks for another Checkout', 5, () => true),
  changes('asks for the higher tier', 10, { tier: 'pro' }),
  changes('asks for the higher tier beside another one who does', 15, { tier: 'pro' }, canRise, 2),
  changes('asks for the lower tier', 10, { tier: 'plus' }),
  changes('asks for the end', 6, { cancelAtPeriodEnd: true }),
  changes('asks to go on', 6, { cancelAtPeriodEnd: false }, (story) =>
    story.live().some(({ cancel_at_period_end, schedule }) => cancel_at_period_end || schedule !== null),
  ),
  changes('goes down to nothing', 3, { tier: 'free' }),
  {
    name: 'asks for the portal',
    weight: 1,
    isPossible: isHere,
    isWaitedFor: true,
    processes: ({ billing }, { userId }) => [() => openPortal(billing, userId)],
  },
];

export const DEEDS: readonly Deed[] = [...JOBS, ...ACCOUNT, ...SUBSCRIPTION];

/** Whoever waits for an answer and gets none, or hears that it is safe to repeat, asks three times. */
export const again: Again = (end, attempts) =>
  attempts < 3 && end.status === 'rejected' && (isDeath(end.reason) || isUnavailable(end.reason));

/** What becomes of a process whose machine, database or Stripe fails, and what it refuses with good reason. */
export const isExpected = (reason: unknown): boolean =>
  isDeath(reason) || isUnavailable(reason) || (reason instanceof ArtifexError && REFUSALS.has(reason.code));

const isDeath = (reason: unknown) =>
  reason instanceof Crash || (reason instanceof Error && reason.name.startsWith('Mongo'));

const isUnavailable = (reason: unknown) => reason instanceof ArtifexError && reason.code === 'unavailable';

const REFUSALS: ReadonlySet<string> = new Set(['conflict', 'account_deleted', 'insufficient_quota']);
