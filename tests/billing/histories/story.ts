import { Types } from 'mongoose';
import type { TestStore } from '../../support/database.ts';
import { isOver } from '../../support/stripe/lifecycle.ts';
import type { Customer, Event, Subscription } from '../../support/stripe/shapes.ts';
import type { World } from '../../support/stripe/world.ts';

/** Somebody, and all that is known of them outside of what is judged. */
export class Story {
  readonly userId = new Types.ObjectId();
  readonly world: World;
  /** Buys on Artifex's pages; else a person in the dashboard sells to them. */
  readonly isCustomerOfOurs: boolean;
  /** What was done, in its order: what a failure tells. */
  readonly done: string[] = [];
  /** What was seen to be wrong on the way. */
  readonly faults: string[] = [];
  readonly events: Event[] = [];
  /** How many of the events have been looked at for bringing them. */
  told = 0;
  /** The Checkout sessions whose address they were given. */
  readonly pages: string[] = [];
  /** What they have bought on those. */
  readonly bought: Subscription[] = [];
  signedUpAt: Date | undefined;
  /** Has asked for the end of the account, and not yet got it back. */
  hasLeft = false;
  /** How many processes are just restoring the account. */
  comingBack = 0;
  /** The account is deleted, and the jobs have gone round since. */
  isClosed = false;
  /** Waits for a Checkout. */
  isAsking = false;

  constructor(world: World, isCustomerOfOurs: boolean) {
    this.world = world;
    this.isCustomerOfOurs = isCustomerOfOurs;
  }

  async signUp(store: TestStore): Promise<void> {
    if (this.signedUpAt) return;
    this.signedUpAt = store.clock.now();
    await store.models.User.create({ _id: this.userId, clerkUserId: `user_${this.userId}` });
  }

  /** Theirs at Stripe, deleted ones too. */
  customers(): Customer[] {
    const name = this.userId.toHexString();
    return [...this.world.customers.values()].filter(({ metadata }) => metadata['userId'] === name);
  }

  subscriptions(): Subscription[] {
    const ids = new Set(this.customers().map(({ id }) => id));
    return [...this.world.subscriptions.values()].filter(({ customer }) => ids.has(customer));
  }

  live(): Subscription[] {
    return this.subscriptions().filter((one) => !isOver(one));
  }

  isGiven(page: string): void {
    if (!this.pages.includes(page)) this.pages.push(page);
  }

  openPages(): string[] {
    const { sessions, now } = this.world;
    return this.pages.filter((page) => {
      const session = sessions.get(page);
      return session?.status === 'open' && session.expires_at > now;
    });
  }

  /** Sessions that could be paid on, also those whose address nobody was given. */
  payable(): string[] {
    const living = new Set(this.customers().flatMap(({ id, deleted }) => (deleted ? [] : [id])));
    return [...this.world.sessions.values()]
      .filter(({ customer, status, expires_at }) => {
        return living.has(customer) && status === 'open' && expires_at > this.world.now;
      })
      .map(({ id }) => id);
  }

  /** Who is sold to in the dashboard: the customer who is known to Artifex, or one whom the dashboard has made. */
  buyer(): Customer | undefined {
    const living = this.customers().filter(({ deleted }) => !deleted);
    if (!this.isCustomerOfOurs) return living.at(-1) ?? this.#newCustomer();
    const known = new Set(this.pages.map((page) => this.world.sessions.get(page)?.customer));
    return living.findLast(({ id }) => known.has(id));
  }

  #newCustomer(): Customer {
    const customer: Customer = {
      id: this.world.id('cus'),
      object: 'customer',
      created: this.world.now,
      description: null,
      email: null,
      livemode: false,
      metadata: { userId: this.userId.toHexString() },
      name: null,
    };
    this.world.customers.set(customer.id, customer);
    return customer;
  }
}
