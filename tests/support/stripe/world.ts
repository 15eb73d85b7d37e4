import type {
  Charge,
  CheckoutSession,
  Customer,
  Dispute,
  Event,
  Invoice,
  InvoicePayment,
  PortalConfiguration,
  PortalSession,
  Price,
  Product,
  Subscription,
  SubscriptionSchedule,
  WebhookEndpoint,
} from './shapes.ts';
import { API_VERSION } from './version.ts';

/** Ids are of one account each, and those of two never meet. */
let sequence = 0;

/** All that one account of Stripe holds, in memory. Objects stand in the order in which they were made. */
export class World {
  readonly customers = new Map<string, Customer>();
  readonly products = new Map<string, Product>();
  readonly prices = new Map<string, Price>();
  readonly subscriptions = new Map<string, Subscription>();
  readonly schedules = new Map<string, SubscriptionSchedule>();
  readonly invoices = new Map<string, Invoice>();
  readonly invoicePayments = new Map<string, InvoicePayment>();
  readonly charges = new Map<string, Charge>();
  readonly disputes = new Map<string, Dispute>();
  readonly sessions = new Map<string, CheckoutSession>();
  readonly portalSessions = new Map<string, PortalSession>();
  readonly portalConfigurations = new Map<string, PortalConfiguration>();
  readonly webhookEndpoints = new Map<string, WebhookEndpoint>();
  readonly events = new Map<string, Event>();
  /** What each checkout session will sell. */
  readonly orders = new Map<string, { price: string; metadata: Record<string, string>; trialDays: number }>();
  /** Customers whose card is refused. */
  readonly declined = new Set<string>();
  /** Keys that are not taken any more. */
  readonly revokedKeys = new Set<string>();
  /** Told of every event, as it is made. */
  onEvent: (event: Event) => void = () => {};

  /** The account's clock, in seconds; tests set it. */
  now: number;

  constructor(now: number) {
    this.now = now;
  }

  /** Ids sort in the order in which they were made, as little as anybody should rely on it. */
  id(prefix: string): string {
    sequence += 1;
    return `${prefix}_${sequence.toString(36).padStart(10, '0')}`;
  }

  /** Writes an event about the object as it is now. */
  emit(type: string, object: unknown, previous?: Record<string, unknown>): Event {
    const event: Event = {
      id: this.id('evt'),
      object: 'event',
      api_version: API_VERSION,
      created: this.now,
      data: { object: structuredClone(object), ...(previous && { previous_attributes: previous }) },
      livemode: false,
      pending_webhooks: 1,
      request: { id: null, idempotency_key: null },
      type,
    };
    this.events.set(event.id, event);
    this.onEvent(event);
    return event;
  }
}

/** @throws {Error} in a test that names what was never made */
export function the<Value>(map: ReadonlyMap<string, Value>, id: string): Value {
  const value = map.get(id);
  if (value === undefined) throw new Error(`There is no ${id}`);
  return value;
}
