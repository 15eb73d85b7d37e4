import { DAY } from '../../support/stripe/calendar.ts';
import { complete } from '../../support/stripe/checkout.ts';
import { deleteCustomer } from '../../support/stripe/customers.ts';
import { latestChargeOf } from '../../support/stripe/invoices.ts';
import {
  change,
  dropPendingUpdate,
  end,
  isOver,
  itemOf,
  payOpenInvoice,
  subscribe,
} from '../../support/stripe/lifecycle.ts';
import { dispute, refund } from '../../support/stripe/payments.ts';
import type { Price, Subscription } from '../../support/stripe/shapes.ts';
import { dashboardPrice } from '../../support/stripe/subscriptions.ts';
import type { Scene } from './scene.ts';
import type { Story } from './story.ts';

/** Something that happens outside of Artifex: at the hands of the customer, of their bank, of a person in the dashboard, or of time. */
export interface Happening {
  name: string;
  /** How often it happens beside the others that are possible. */
  weight: number;
  isPossible(story: Story): boolean;
  /** @param pick chooses the tier, the subscription's page, the length of time */
  happen(scene: Scene, story: Story, pick: number): void;
}

const always = () => true;
const hasLive = (story: Story) => story.live().length > 0;
const priceOf = ({ prices }: Scene, pick: number): Price => (pick % 2 === 0 ? prices.plus : prices.pro);

const TIME: Happening[] = [
  { name: 'hours', weight: 1, isPossible: always, happen: (scene, _, pick) => scene.pass(3_600 * (1 + 5 * pick)) },
  { name: 'days', weight: 0.5, isPossible: always, happen: (scene, _, pick) => scene.pass(DAY * (1 + 2 * pick)) },
  { name: 'month', weight: 1, isPossible: always, happen: (scene) => scene.pass(31 * DAY) },
];

const PAYMENTS: Happening[] = [
  {
    name: 'pays on a page',
    weight: 30,
    isPossible: (story) => story.openPages().length > 0,
    happen: ({ world }, story, pick) => {
      const pages = story.openPages();
      const bought = complete(world, pages[pick % pages.length] ?? '');
      if (!bought) return;
      if (story.bought.some((one) => !isOver(one))) story.faults.push(`${bought.id} was sold beside another one`);
      if (story.isClosed) story.faults.push(`${bought.id} was sold to an account that was deleted`);
      story.bought.push(bought);
    },
  },
  {
    name: 'the card is refused from now on',
    weight: 3,
    isPossible: (story) => story.buyer() !== undefined,
    happen: ({ world }, story) => void world.declined.add(story.buyer()?.id ?? ''),
  },
  {
    name: 'the card is refused from the next payment on',
    weight: 6,
    isPossible: (story) => hasLive(story) && !story.world.declined.has(story.buyer()?.id ?? ''),
    happen: ({ world }, story) => void world.declined.add(story.buyer()?.id ?? ''),
  },
  {
    name: 'the card works again',
    weight: 8,
    isPossible: (story) => story.world.declined.has(story.buyer()?.id ?? ''),
    happen: ({ world }, story) => void world.declined.delete(story.buyer()?.id ?? ''),
  },
  {
    name: 'pays the open invoice',
    weight: 8,
    isPossible: (story) => story.live().some((one) => openInvoiceOf(story, one)),
    happen: (scene, story) => eachWith(story, openInvoiceOf, (one) => payOpenInvoice(scene.world, one)),
  },
  {
    name: 'gets the money back',
    weight: 3,
    isPossible: (story) => story.live().some((one) => paidInvoiceOf(story, one)),
    happen: ({ world }, story, pick) =>
      eachWith(story, paidInvoiceOf, ({ id }) => {
        const charge = latestChargeOf(world, id);
        if (pick % 2 === 0) refund(world, charge);
        else dispute(world, charge);
      }),
  },
];

const openInvoiceOf = ({ world }: Story, { latest_invoice }: Subscription) =>
  world.invoices.get(latest_invoice ?? '')?.status === 'open';

const paidInvoiceOf = ({ world }: Story, { id }: Subscription) =>
  [...world.invoices.values()].some(
    ({ parent, status, amount_paid }) =>
      parent.subscription_details.subscription === id && status === 'paid' && amount_paid > 0,
  );

function eachWith(
  story: Story,
  has: (story: Story, one: Subscription) => boolean,
  act: (one: Subscription) => void,
): void {
  const [first] = story.live().filter((one) => has(story, one));
  if (first) act(first);
}

/** In the dashboard, or in the portal: something becomes of the first subscription that has not ended. */
const toSubscription = (
  name: string,
  weight: number,
  act: (scene: Scene, subscription: Subscription, pick: number) => void,
  isPossible: (subscription: Subscription) => boolean = always,
): Happening => ({
  name,
  weight,
  isPossible: (story) => story.live().slice(0, 1).some(isPossible),
  happen: (scene, story, pick) => {
    const [current] = story.live();
    if (current) act(scene, current, pick);
  },
});

const becomes =
  (status: string) =>
  ({ world }: Scene, subscription: Subscription): void => {
    change(world, subscription, () => {
      subscription.status = status;
    });
  };

const endsWithPeriod =
  (ends: boolean) =>
  ({ world }: Scene, subscription: Subscription): void => {
    change(world, subscription, () => {
      subscription.cancel_at_period_end = ends;
      subscription.cancel_at = ends ? (subscription.items.data[0]?.current_period_end ?? null) : null;
    });
  };

/** Makes what a subscription is and sells now so again, whatever becomes of it until then, but for its end. */
export function asItWas(story: Story): Happening {
  const [current] = structuredClone(story.live());
  return toSubscription('is as it was', 0, ({ world }, one) =>
    change(world, one, () => {
      if (!current || one.id !== current.id) return;
      dropPendingUpdate(world, one);
      one.status = current.status;
      one.items = structuredClone(current.items);
    }),
  );
}

/** A schedule stands in the way of both. */
const isUnscheduled = ({ schedule }: Subscription) => schedule === null;
const isSuspended = ({ status }: Subscription) => ['paused', 'unpaid', 'on_hold'].includes(status);

export const DASHBOARD: readonly Happening[] = [
  {
    name: 'is sold a subscription',
    weight: 8,
    // Artifex asks Stripe before it sells; only a person sells a second one.
    isPossible: (story) => !hasLive(story) && story.buyer() !== undefined,
    happen: (scene, story, pick) => {
      const customer = story.buyer()?.id ?? '';
      subscribe(scene.world, { customer, price: priceOf(scene, pick), trialDays: pick > 3 ? pick : 0 });
    },
  },
  toSubscription('is sold a second one', 2, (scene, { customer }, pick) => {
    subscribe(scene.world, { customer, price: priceOf(scene, pick) });
  }),
  toSubscription('goes up', 3, ({ world, prices }, current) => dashboardPrice(world, current, prices.pro)),
  toSubscription('goes down', 3, ({ world, prices }, current) => dashboardPrice(world, current, prices.plus)),
  toSubscription('gets an unknown price', 1, ({ world, prices }, current) =>
    dashboardPrice(world, current, prices.unknown),
  ),
  toSubscription('ends with its period', 3, endsWithPeriod(true), isUnscheduled),
  toSubscription('ends with its period no more', 3, endsWithPeriod(false), isUnscheduled),
  toSubscription('ends', 3, ({ world }, current) => end(world, current, 'canceled')),
  toSubscription('gets a second item', 1, ({ world, prices }, current) =>
    change(world, current, () => {
      const { current_period_start: from, current_period_end: to } = current.items.data[0] ?? {};
      if (from === undefined || to === undefined || current.items.data.length > 1) return;
      current.items.data.push(itemOf(world, current.id, prices.plus, 1, from, to));
    }),
  ),
  toSubscription('is sold several units', 1, ({ world }, current) =>
    change(world, current, () => {
      for (const item of current.items.data) item.quantity = 2;
    }),
  ),
  toSubscription('gets an unknown status', 1, becomes('on_hold')),
  toSubscription('is paused', 1, becomes('paused')),
  toSubscription('is unpaid', 1, becomes('unpaid')),
  toSubscription('goes on', 6, becomes('active'), isSuspended),
  {
    name: 'is deleted at Stripe',
    weight: 1,
    isPossible: (story) => story.buyer() !== undefined,
    happen: ({ world }, story) => {
      const customer = story.buyer();
      if (customer) deleteCustomer(world, customer);
    },
  },
];

export const HAPPENINGS: readonly Happening[] = [...TIME, ...PAYMENTS, ...DASHBOARD];

/** Lets it happen to somebody, and remembers that it did. */
export function happenTo(scene: Scene, story: Story, happening: Happening | undefined, pick: number): void {
  if (!happening) return;
  story.done.push(`${happening.name} (${pick})`);
  happening.happen(scene, story, pick);
  scene.periods.lookAtStripe();
}
