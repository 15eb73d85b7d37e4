import fc from 'fast-check';
import type { Types } from 'mongoose';
import { deleteUser, restoreUser } from '@/repositories/accounts.ts';
import type { TestStore } from '../../support/database.ts';
import { DAY } from '../../support/stripe/calendar.ts';
import { createPrice } from '../../support/stripe/catalogue.ts';
import { deleteCustomer } from '../../support/stripe/customers.ts';
import { latestChargeOf } from '../../support/stripe/invoices.ts';
import { advanceTo, change, end, isOver, itemOf, payOpenInvoice, subscribe } from '../../support/stripe/lifecycle.ts';
import { dispute, refund } from '../../support/stripe/payments.ts';
import type { Customer, Price, Subscription } from '../../support/stripe/shapes.ts';
import { dashboardPrice } from '../../support/stripe/subscriptions.ts';
import { World } from '../../support/stripe/world.ts';

/** What happens at Stripe, at the hands of the customer, of their bank, of a person in the dashboard, or of time. */
const HAPPENINGS = [
  'signUp',
  'subscribe',
  'subscribe',
  'subscribe',
  'trial',
  'upgrade',
  'downgrade',
  'cancelAtEnd',
  'takeBackCancel',
  'cancelNow',
  'cardRefused',
  'cardWorks',
  'pay',
  'refund',
  'dispute',
  'secondSubscription',
  'secondItem',
  'severalUnits',
  'unknownPrice',
  'unknownStatus',
  'pause',
  'unpaid',
  'resume',
  'deleteCustomer',
  'deleteAccount',
  'restoreAccount',
  'hours',
  'days',
  'month',
  'month',
] as const;

/** One step of a history, and how Stripe tells of it. */
export const steps = fc.record({
  happening: fc.constantFrom(...HAPPENINGS),
  /** Chooses the tier, and the length of time. */
  pick: fc.nat({ max: 5 }),
  /** Which of all the events so far are brought now, known ones too. What is not brought is lost, or late. */
  brings: fc.array(fc.nat({ max: 40 }), { maxLength: 3 }),
  bringsNews: fc.boolean(),
});
export type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never;

export interface Prices {
  plus: Price;
  pro: Price;
  unknown: Price;
}

/** Somebody, and a Stripe where nobody else buys. */
export class Story {
  readonly world: World;
  readonly prices: Prices;
  readonly #store: TestStore;
  readonly userId: Types.ObjectId;
  /** The start of every period that has been seen at Stripe. */
  readonly periods = new Set<number>();
  isSignedUp = false;
  #customer: Customer | undefined;

  constructor(store: TestStore, userId: Types.ObjectId, now: number) {
    this.#store = store;
    this.userId = userId;
    this.world = new World(now);
    const sold = (amount: string, lookup_key?: string) =>
      createPrice(this.world, { product: this.#product(), unit_amount: amount, ...(lookup_key && { lookup_key }) });
    this.prices = {
      plus: sold('1900', 'artifex_plus'),
      pro: sold('4900', 'artifex_pro'),
      unknown: sold('9900'),
    };
  }

  async happen({ happening, pick }: Step): Promise<void> {
    if (happening === 'signUp') await this.signUp();
    else if (happening === 'deleteAccount' || happening === 'restoreAccount') await this.#account(happening);
    else this.#atStripe(happening, pick);
    this.look();
  }

  async signUp(): Promise<void> {
    if (this.isSignedUp) return;
    this.isSignedUp = true;
    await this.#store.models.User.create({ _id: this.userId, clerkUserId: `user_${this.userId}` });
  }

  /** Brings both clocks on; Stripe does on its way what becomes due. */
  pass(seconds: number): void {
    this.#store.clock.advance(seconds * 1000);
    const now = Math.floor(this.#store.clock.now().getTime() / 1000);
    while (this.world.now < now) {
      advanceTo(this.world, Math.min(now, this.world.now + DAY));
      this.look();
    }
  }

  look(): void {
    for (const subscription of this.world.subscriptions.values()) {
      const start = subscription.items.data[0]?.current_period_start;
      if (start !== undefined) this.periods.add(start);
    }
  }

  /** What has to follow is left to whoever looks first. */
  async #account(happening: 'deleteAccount' | 'restoreAccount'): Promise<void> {
    if (!this.isSignedUp) return;
    const act = happening === 'deleteAccount' ? deleteUser : restoreUser;
    await act(this.#store, { _id: this.userId }, { kind: 'webhook', id: 'clerk' });
  }

  #atStripe(happening: Exclude<Step['happening'], 'signUp' | 'deleteAccount' | 'restoreAccount'>, pick: number): void {
    const { world, prices } = this;
    const live = [...world.subscriptions.values()].filter((one) => !isOver(one));
    const [current] = live;
    const price = pick % 2 === 0 ? prices.plus : prices.pro;
    switch (happening) {
      case 'hours':
        this.pass(3_600 * (1 + 7 * pick));
        break;
      case 'days':
        this.pass(DAY * (1 + 2 * pick));
        break;
      case 'month':
        this.pass(31 * DAY);
        break;
      case 'subscribe':
      case 'trial':
        // Artifex asks Stripe before it sells; only a person in the dashboard sells a second one.
        if (current) break;
        subscribe(world, { customer: this.#buyer().id, price, trialDays: happening === 'trial' ? 3 + pick : 0 });
        break;
      case 'cardRefused':
        world.declined.add(this.#buyer().id);
        break;
      case 'cardWorks':
        world.declined.clear();
        break;
      case 'deleteCustomer':
        if (pick === 0 && this.#customer) deleteCustomer(world, this.#customer);
        break;
      default:
        if (current) this.#toSubscription(happening, current, price);
    }
  }

  #toSubscription(happening: string, current: Subscription, price: Price): void {
    const { world, prices } = this;
    const becomes = (status: string) =>
      change(world, current, () => {
        current.status = status;
      });
    const cancelsAtEnd = (isCancelled: boolean) =>
      change(world, current, () => {
        current.cancel_at_period_end = isCancelled;
        current.cancel_at = isCancelled ? (current.items.data[0]?.current_period_end ?? null) : null;
      });
    switch (happening) {
      case 'upgrade':
        dashboardPrice(world, current, prices.pro);
        break;
      case 'downgrade':
        dashboardPrice(world, current, prices.plus);
        break;
      case 'unknownPrice':
        dashboardPrice(world, current, prices.unknown);
        break;
      case 'cancelAtEnd':
        cancelsAtEnd(true);
        break;
      case 'takeBackCancel':
        cancelsAtEnd(false);
        break;
      case 'cancelNow':
        end(world, current, 'canceled');
        break;
      case 'pay':
        payOpenInvoice(world, current);
        break;
      case 'refund':
      case 'dispute':
        this.#giveBack(happening, current);
        break;
      case 'secondSubscription':
        subscribe(world, { customer: current.customer, price });
        break;
      case 'secondItem':
        change(world, current, () => {
          const { current_period_start: from, current_period_end: to } = current.items.data[0] ?? {};
          if (from === undefined || to === undefined || current.items.data.length > 1) return;
          current.items.data.push(itemOf(world, current.id, prices.plus, 1, from, to));
        });
        break;
      case 'severalUnits':
        change(world, current, () => {
          for (const item of current.items.data) item.quantity = 2;
        });
        break;
      case 'unknownStatus':
        becomes('on_hold');
        break;
      case 'pause':
        becomes('paused');
        break;
      case 'unpaid':
        becomes('unpaid');
        break;
      case 'resume':
        if (['paused', 'unpaid', 'on_hold'].includes(current.status)) becomes('active');
    }
  }

  #giveBack(how: 'refund' | 'dispute', { id }: Subscription): void {
    const isPaid = [...this.world.invoices.values()].some(
      (invoice) => invoice.parent.subscription_details.subscription === id && invoice.amount_paid > 0,
    );
    if (!isPaid) return;
    const charge = latestChargeOf(this.world, id);
    if (how === 'refund') refund(this.world, charge);
    else dispute(this.world, charge);
  }

  /** Who buys: the customer whom Artifex made, and another one when that was deleted. */
  #buyer(): Customer {
    if (this.#customer && !this.#customer.deleted) return this.#customer;
    const id = this.world.id('cus');
    this.#customer = {
      id,
      object: 'customer',
      created: this.world.now,
      description: null,
      email: null,
      livemode: false,
      metadata: { userId: this.userId.toHexString() },
      name: null,
    };
    this.world.customers.set(id, this.#customer);
    return this.#customer;
  }

  #product(): string {
    const id = 'prod_artifex';
    const { now } = this.world;
    this.world.products.set(id, {
      id,
      object: 'product',
      active: true,
      created: now,
      description: null,
      livemode: false,
      metadata: {},
      name: 'Artifex',
      updated: now,
    });
    return id;
  }
}
