import { z } from 'zod';
import type { BillingDeps } from '@/billing/sync.ts';
import { START, type TestStore } from '../../support/database.ts';
import { DAY } from '../../support/stripe/calendar.ts';
import { createPrice, sellArtifex } from '../../support/stripe/catalogue.ts';
import type { Fault } from '../../support/stripe/faults.ts';
import { advanceTo } from '../../support/stripe/lifecycle.ts';
import { saveDashboardPortal } from '../../support/stripe/portal.ts';
import type { Event, Price } from '../../support/stripe/shapes.ts';
import { stripeWithin } from '../../support/stripe/within.ts';
import { World } from '../../support/stripe/world.ts';
import { Periods } from './periods.ts';
import { Prorations } from './prorations.ts';
import { Story } from './story.ts';

export interface Prices {
  plus: Price;
  pro: Price;
  unknown: Price;
}

const aboutSomebody = z.object({
  id: z.string(),
  object: z.string(),
  customer: z.string().optional(),
  charge: z.string().optional(),
});

/** Stripe tells most things by several events; one of each is enough here, and what is of no interest comes to nothing. */
const NOT_SENT: ReadonlySet<string> = new Set([
  'charge.succeeded',
  'checkout.session.expired',
  'customer.created',
  'customer.updated',
  'invoice.created',
  'invoice.payment_succeeded',
]);

/** Several people whose histories go on at once, at one Stripe, over one database and under one clock. */
export class Scene {
  readonly store: TestStore;
  readonly world = new World(START.getTime() / 1000);
  readonly prices: Prices;
  readonly stories: readonly Story[];
  readonly billing: BillingDeps;
  readonly periods: Periods;
  readonly prorations = new Prorations();
  /** What goes wrong with the next call to Stripe. */
  fault: Fault | null = null;

  /** @param buyers who of them buys on Artifex's own pages */
  constructor(store: TestStore, buyers: readonly boolean[]) {
    this.store = store;
    this.prices = pricesIn(this.world);
    this.stories = buyers.map((isCustomerOfOurs) => new Story(this.world, isCustomerOfOurs));
    this.periods = new Periods(store, this.stories);
    this.world.onEvent = (event) => {
      const story = this.#ownerOf(event);
      if (story) this.prorations.lookAtEvent(story, event);
      if (NOT_SENT.has(event.type)) event.pending_webhooks = 0;
      else story?.events.push(event);
    };
    saveDashboardPortal(this.world);
    const config = {
      secretKey: 'sk_test',
      apiBase: undefined,
      portalConfiguration: undefined,
      appUrl: 'http://localhost:3000',
      prices: { plus: this.prices.plus.id, pro: this.prices.pro.id },
    };
    const stripe = stripeWithin(this.world, (call) => {
      this.prorations.lookAtCall(call);
      return this.fault;
    });
    this.billing = { store, stripe, config, needsPerson() {} };
  }

  /** Brings both clocks on; Stripe does on its way what becomes due. */
  pass(seconds: number): void {
    if (seconds === 0) return;
    this.store.clock.advance(seconds * 1000);
    const now = Math.floor(this.store.clock.now().getTime() / 1000);
    while (this.world.now < now) {
      advanceTo(this.world, Math.min(now, this.world.now + DAY));
      this.periods.lookAtStripe();
    }
  }

  /** Where a dispute names no customer, its charge does. */
  #ownerOf({ data }: Event): Story | undefined {
    const { id, object, customer, charge } = aboutSomebody.parse(data.object);
    const who = object === 'customer' ? id : (customer ?? this.world.charges.get(charge ?? '')?.customer ?? '');
    const userId = this.world.customers.get(who)?.metadata['userId'];
    return this.stories.find((story) => story.userId.toHexString() === userId);
  }
}

function pricesIn(world: World): Prices {
  const product = sellArtifex(world);
  const sold = (amount: string, lookup_key?: string) =>
    createPrice(world, { product, unit_amount: amount, ...(lookup_key && { lookup_key }) });
  return { plus: sold('1900', 'artifex_plus'), pro: sold('4900', 'artifex_pro'), unknown: sold('9900') };
}
