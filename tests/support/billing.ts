import type { Types } from 'mongoose';
import { afterEach, beforeEach } from 'vitest';
import { STRIPE_WEBHOOK_SECRET, type TestApplication, testApplication } from './application.ts';
import type { TestStore } from './database.ts';
import { createPrice, sellArtifex } from './stripe/catalogue.ts';
import { customerNaming } from './stripe/customers.ts';
import { subscribe } from './stripe/lifecycle.ts';
import { saveDashboardPortal } from './stripe/portal.ts';
import type { Price, Subscription } from './stripe/shapes.ts';
import { type StripeServer, startStripeServer } from './stripe-server.ts';

/** The application with a Stripe of its own, which tells it of what happens when a test says so. */
export interface Shop {
  app: TestApplication;
  /** The application once more, over the same database and Stripe. */
  another(): Promise<TestApplication>;
  server: StripeServer;
  prices: Record<'plus' | 'pro', Price>;
  /** A customer who names the user, as Artifex makes them. */
  customerOf(userId: Types.ObjectId): string;
  /** Sells a subscription at Stripe; nobody has been told yet. */
  sell(customer: string, tier: 'plus' | 'pro', options?: { trialDays?: number }): Subscription;
  /** Brings what has not been taken yet, and waits until it has been applied. */
  deliver(): Promise<void>;
}

/** A new shop for every test. Stripe's clock begins with the store's. */
export function useShop(store: TestStore): { readonly current: Shop } {
  let current: Shop | undefined;
  beforeEach(async () => {
    current = await openShop(store);
  });
  afterEach(async () => {
    await current?.server.close();
  });
  return {
    get current() {
      if (!current) throw new Error('The shop opens before each test');
      return current;
    },
  };
}

export async function openShop(store: TestStore): Promise<Shop> {
  const server = await startStripeServer({ now: Math.floor(store.clock.now().getTime() / 1000) });
  const { world, sender } = server;
  const product = sellArtifex(world);
  const prices = {
    plus: createPrice(world, { product, unit_amount: '1900', lookup_key: 'artifex_plus' }),
    pro: createPrice(world, { product, unit_amount: '4900', lookup_key: 'artifex_pro' }),
  };
  saveDashboardPortal(world);
  const stripe = {
    secretKey: 'sk_test_shop',
    webhookSecret: STRIPE_WEBHOOK_SECRET,
    apiBase: server.url,
    prices: { plus: prices.plus.id, pro: prices.pro.id },
  };
  const another = () => testApplication(store, { stripe });
  const app = await another();
  sender.sendTo('/webhooks/stripe', STRIPE_WEBHOOK_SECRET, (url, init) => app.request(url, init));

  return {
    app,
    another,
    server,
    prices,
    customerOf: (userId) => customerNaming(world, userId),
    sell: (customer, tier, options = {}) => subscribe(world, { customer, price: prices[tier], ...options }),
    async deliver() {
      await sender.deliverAll();
      await app.inbox.drained();
    },
  };
}
