import Stripe from 'stripe';
import type { Event } from './shapes.ts';
import type { World } from './world.ts';

export type Send = (url: string, init: RequestInit) => Promise<Response>;

/** How an event is brought: whether its signature is right, and how old it is. */
export interface Delivery {
  secret?: string;
  /** Seconds since the epoch; the sender's real clock, since receivers judge it by theirs. */
  signedAt?: number;
}

/**
 * Brings events to an endpoint, with real signatures (https://docs.stripe.com/webhooks#verify-manually). A test decides which, in
 * which order and how often. What is answered with 2xx counts as delivered; all else can be brought again.
 */
export class Sender {
  readonly #stripe = new Stripe('sk_test_sender');
  readonly #world: World;
  #endpoint: { url: string; secret: string; send: Send } | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** @param send how a request gets there; without it, over the network */
  sendTo(url: string, secret: string, send: Send = (address, init) => fetch(address, init)): void {
    this.#endpoint = { url, secret, send };
  }

  /** Not taken yet, the oldest first. */
  undelivered(): Event[] {
    return [...this.#world.events.values()].filter(({ pending_webhooks }) => pending_webhooks > 0);
  }

  async deliver(event: Event, delivery: Delivery = {}): Promise<Response> {
    const response = await this.send(JSON.stringify(event), delivery);
    if (response.ok) event.pending_webhooks = 0;
    return response;
  }

  /** Signs whatever it is given, be it an event or not. */
  async send(payload: string, delivery: Delivery = {}): Promise<Response> {
    const endpoint = this.#endpoint;
    if (!endpoint) throw new Error('Say first where events go: sendTo(url, secret)');
    const signature = await this.#stripe.webhooks.generateTestHeaderStringAsync({
      payload,
      secret: delivery.secret ?? endpoint.secret,
      ...(delivery.signedAt !== undefined && { timestamp: delivery.signedAt }),
    });
    return endpoint.send(endpoint.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': signature },
      body: payload,
    });
  }

  /** One after the other, in the order that is given or else that of their making. */
  async deliverAll(events: readonly Event[] = this.undelivered()): Promise<void> {
    for (const event of events) await this.deliver(event);
  }
}
