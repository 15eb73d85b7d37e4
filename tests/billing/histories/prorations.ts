import { AsyncLocalStorage } from 'node:async_hooks';
import { z } from 'zod';
import { DAY } from '../../support/stripe/calendar.ts';
import type { Event } from '../../support/stripe/shapes.ts';
import type { Story } from './story.ts';

/** A process that asks for a change of somebody's subscription. */
interface Ask {
  story: Story;
  /** The same for the process that is started in the place of one that has died. */
  wish: object;
  /** Those that were under way when this one began. */
  beside: ReadonlySet<Ask>;
  /** The step of its story at which it has listed subscriptions last, and at which it has read the one that it was about to change. */
  listed: number;
  read: number;
}

const subscriptionSchema = z.object({
  id: z.string(),
  items: z.object({ data: z.array(z.object({ price: z.object({ unit_amount: z.number() }) })) }),
});
const invoiceSchema = z.object({
  id: z.string(),
  created: z.number(),
  billing_reason: z.string(),
  amount_due: z.number(),
  parent: z.object({ subscription_details: z.object({ subscription: z.string() }) }),
});

type Invoice = z.output<typeof invoiceSchema>;

/** What of a subscription says nothing of what it sells. */
const ACCOUNTING: ReadonlySet<string> = new Set(['pending_update', 'latest_invoice']);

/**
 * Watches at Stripe that no rise to a higher price is sold twice: every proration that is paid has a rise of its own, and processes that have seen the
 * same invoice it once, where they asked at the same time or one asked in the place of the other. Nothing here asks the code that it judges.
 */
export class Prorations {
  readonly #asks = new AsyncLocalStorage<Ask>();
  readonly #running = new Set<Ask>();
  /** How often what somebody has at Stripe has changed. */
  readonly #steps = new Map<Story, number>();
  readonly #invoiced: { invoice: Invoice; ask: Ask }[] = [];
  readonly #paid = new Set<string>();
  /** The paid proration of each subscription whose price has not risen since. */
  readonly #unrisen = new Map<string, string>();

  /** Runs a process that asks for a change. */
  async asking(story: Story, wish: object, run: () => Promise<unknown>): Promise<void> {
    const ask: Ask = { story, wish, beside: new Set(this.#running), listed: -1, read: -1 };
    this.#running.add(ask);
    await this.#asks.run(ask, run).finally(() => this.#running.delete(ask));
  }

  /** To be told of every call to Stripe, just before it is done. */
  lookAtCall(pattern: string): void {
    const ask = this.#asks.getStore();
    if (!ask) return;
    const step = this.#steps.get(ask.story) ?? 0;
    if (pattern === 'GET /v1/subscriptions') ask.listed = step;
    if (pattern === 'GET /v1/subscriptions/:id') ask.read = step;
  }

  /** To be told of every event about somebody, as it is made. */
  lookAtEvent(story: Story, { type, data }: Event): void {
    if (type.startsWith('invoice.')) this.#lookAtInvoice(story, type, data.object);
    if (type === 'customer.subscription.updated') this.#lookAtPrice(data);
    const changed = Object.keys(data.previous_attributes ?? {});
    const isAccounting = changed.length > 0 && changed.every((field) => ACCOUNTING.has(field));
    if (!/^(customer|subscription_schedule)\./.test(type) || isAccounting) return;
    this.#steps.set(story, (this.#steps.get(story) ?? 0) + 1);
  }

  /** What was paid for, and has not come. */
  faults(): string[] {
    return [...this.#unrisen].map(([id, invoice]) => `${invoice} was paid, and ${id} has not risen`);
  }

  #lookAtInvoice(story: Story, type: string, object: unknown): void {
    const invoice = invoiceSchema.parse(object);
    if (invoice.billing_reason !== 'subscription_update' || invoice.amount_due <= 0) return;
    if (type === 'invoice.created') this.#lookAtTwins(invoice);
    if (type !== 'invoice.paid') return;
    const { id } = invoice;
    const subscription = subscriptionOf(invoice);
    this.#paid.add(id);
    const other = this.#unrisen.get(subscription);
    if (other !== undefined) story.faults.push(`${other} and ${id} were paid for one rise of ${subscription}`);
    this.#unrisen.set(subscription, id);
  }

  #lookAtPrice({ object, previous_attributes }: Event['data']): void {
    const now = subscriptionSchema.parse(object);
    const before = subscriptionSchema.partial().parse(previous_attributes ?? {});
    const [from] = before.items?.data ?? [];
    const [to] = now.items.data;
    if (from && to && from.price.unit_amount < to.price.unit_amount) this.#unrisen.delete(now.id);
  }

  #lookAtTwins(invoice: Invoice): void {
    const ask = this.#asks.getStore();
    // In between it may have been told of what it has not looked at itself.
    if (!ask || ask.listed !== ask.read) return;
    const isNow = ask.read === (this.#steps.get(ask.story) ?? 0);
    const isTwin = (other: Ask) => other.wish === ask.wish || other.beside.has(ask) || ask.beside.has(other);
    const again = this.#invoiced.filter(
      (one) =>
        subscriptionOf(one.invoice) === subscriptionOf(invoice) &&
        isTwin(one.ask) &&
        one.ask.read === ask.read &&
        // Stripe knows a key for a day, and what waits for its payment is over before.
        invoice.created - one.invoice.created < DAY &&
        (isNow || this.#paid.has(one.invoice.id)),
    );
    if (again.length > 0)
      ask.story.faults.push(`${invoice.id} invoices a rise of ${subscriptionOf(invoice)} once more`);
    this.#invoiced.push({ invoice, ask });
  }
}

const subscriptionOf = ({ parent }: Invoice): string => parent.subscription_details.subscription;
