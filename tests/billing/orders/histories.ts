import { START } from '../../support/database.ts';
import { DAY } from '../../support/stripe/calendar.ts';
import { latestChargeOf } from '../../support/stripe/invoices.ts';
import { advanceTo, change, payOpenInvoice, subscribe } from '../../support/stripe/lifecycle.ts';
import { dispute, refund } from '../../support/stripe/payments.ts';
import type { Subscription } from '../../support/stripe/shapes.ts';
import type { Scene } from '../histories/scene.ts';
import type { Story } from '../histories/story.ts';

/** What happens at Stripe, one act after the other, and which of the events of each act are brought. */
export type ShortHistory = readonly {
  happen(scene: Scene, story: Story): void | Promise<void>;
  tells: readonly string[];
}[];

interface Expected {
  acts: ShortHistory;
  /** After how many days since the sign-up all of it is brought. */
  days: number;
  /** How many periods the account may have begun then, in all orders. */
  resets: readonly number[];
}

const theOnly = (story: Story): Subscription => {
  const [one, ...others] = story.subscriptions();
  if (!one || others.length > 0) throw new Error('There is to be one subscription');
  return one;
};

const until = ({ world }: Scene, days: number): void => advanceTo(world, START.getTime() / 1000 + days * DAY);

const bought = (tier: 'plus' | 'pro', ...more: string[]): ShortHistory[number] => ({
  happen(scene, story) {
    until(scene, 1);
    subscribe(scene.world, { customer: story.buyer()?.id ?? '', price: scene.prices[tier] });
  },
  tells: ['customer.subscription.created', ...more],
});

const paidBack = (how: typeof refund | typeof dispute, type: string): Expected => ({
  acts: [
    bought('pro', 'invoice.paid'),
    {
      happen: ({ world }, story) => void how(world, latestChargeOf(world, theOnly(story).id)),
      tells: [type],
    },
  ],
  days: 2,
  // None, when nobody knew of the subscription before it was cancelled.
  resets: [0, 1],
});

/** A month of Stripe's ends 32 days after the sign-up, and one of the account's own a day earlier. */
export const HISTORIES: Record<string, Expected> = {
  'a subscription that is renewed': {
    acts: [
      bought('plus', 'invoice.paid'),
      {
        happen: (scene) => until(scene, 32.5),
        tells: ['customer.subscription.updated', 'invoice.paid'],
      },
    ],
    days: 33,
    resets: [2],
  },
  'a subscription that ends with its period': {
    acts: [
      bought('plus', 'invoice.paid'),
      {
        happen({ world }, story) {
          const subscription = theOnly(story);
          change(world, subscription, () => {
            subscription.cancel_at_period_end = true;
            subscription.cancel_at = subscription.items.data[0]?.current_period_end ?? null;
          });
        },
        tells: ['customer.subscription.updated'],
      },
      { happen: (scene) => until(scene, 32.5), tells: ['customer.subscription.deleted'] },
    ],
    days: 33,
    // A month of the account's own, and the time after the paid one where that was known of.
    resets: [1, 2],
  },
  'an upgrade': {
    acts: [
      bought('plus', 'invoice.paid'),
      {
        async happen({ billing, prices }, story) {
          const { id, items } = theOnly(story);
          await billing.stripe.subscriptions.update(id, {
            items: [{ id: String(items.data[0]?.id), price: prices.pro.id }],
            proration_behavior: 'always_invoice',
          });
        },
        tells: ['customer.subscription.updated', 'invoice.paid'],
      },
    ],
    days: 2,
    resets: [1],
  },
  'a payment that fails and then succeeds': {
    acts: [
      bought('plus'),
      {
        happen(scene, story) {
          scene.world.declined.add(theOnly(story).customer);
          until(scene, 32.5);
        },
        tells: ['invoice.payment_failed', 'customer.subscription.updated'],
      },
      {
        happen({ world }, story) {
          world.declined.clear();
          payOpenInvoice(world, theOnly(story));
        },
        tells: ['invoice.paid', 'customer.subscription.updated'],
      },
    ],
    days: 33,
    resets: [2],
  },
  'a lower tier that comes with the next period': {
    acts: [
      bought('pro'),
      {
        async happen({ billing: { stripe }, prices }, story) {
          const { id, phases } = await stripe.subscriptionSchedules.create({ from_subscription: theOnly(story).id });
          const [current] = phases;
          await stripe.subscriptionSchedules.update(id, {
            end_behavior: 'release',
            phases: [
              {
                items: [{ price: prices.pro.id, quantity: 1 }],
                start_date: Number(current?.start_date),
                end_date: Number(current?.end_date),
              },
              { items: [{ price: prices.plus.id, quantity: 1 }], duration: { interval: 'month', interval_count: 1 } },
            ],
          });
        },
        tells: ['subscription_schedule.updated'],
      },
      {
        happen: (scene) => until(scene, 32.5),
        tells: ['customer.subscription.updated', 'subscription_schedule.released'],
      },
    ],
    days: 33,
    resets: [2],
  },
  'a payment that is refunded': paidBack(refund, 'charge.refunded'),
  'a payment that is disputed': paidBack(dispute, 'charge.dispute.created'),
};
