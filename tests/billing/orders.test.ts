import { afterEach, describe, expect, it } from 'vitest';
import { stripeEvents } from '@/billing/applyEvent.ts';
import { billingAccountsOf, webhookEventsOf } from '@/models/collections.ts';
import { sweep } from '@/workflows/sweep.ts';
import { clearBooks, readBooks } from '../support/books.ts';
import { contextOf, NO_GRACE } from '../support/context.ts';
import { START, useDatabase } from '../support/database.ts';
import { DAY } from '../support/stripe/calendar.ts';
import type { Event } from '../support/stripe/shapes.ts';
import { faultsOf } from './histories/atRest.ts';
import { take } from './histories/deeds.ts';
import { Scene } from './histories/scene.ts';
import type { Story } from './histories/story.ts';
import { HISTORIES, type ShortHistory } from './orders/histories.ts';
import { ordersOf, type Step } from './orders/orders.ts';

const store = useDatabase(undefined, false);

afterEach(() =>
  Promise.all([clearBooks(store), webhookEventsOf(store).deleteMany({}), billingAccountsOf(store).deleteMany({})]),
);

/** Orders that go on side by side, each of a person and a Stripe of its own. */
const TOGETHER = 20;

interface Begun {
  scene: Scene;
  story: Story;
}

interface Played extends Begun {
  order: string;
}

async function begun(): Promise<Begun> {
  const scene = new Scene(store, [false]);
  const [story] = scene.stories;
  if (!story) throw new Error('Somebody is in the scene');
  await story.signUp(store);
  return { scene, story };
}

/** One history of one person: what happens at Stripe, and the deliveries between. */
async function played(
  history: ShortHistory,
  { scene, story }: Begun,
  order: readonly Step[],
  times: 1 | 2,
): Promise<Played> {
  const told: Event[][] = [];
  const words: string[] = [];
  for (const { act, tells } of order) {
    if (tells === undefined) {
      const known = story.events.length;
      await history[act]?.happen(scene, story);
      told[act] = story.events.slice(known);
      continue;
    }
    const type = history[act]?.tells[tells];
    const event = told[act]?.findLast((one) => one.type === type);
    if (!event) throw new Error(`${type} does not come of act ${act}`);
    words.push(`${type} of act ${act} after ${told.length} acts`);
    await Promise.all(Array.from({ length: times }, () => take(scene, stripeEvents(scene.billing), event)));
  }
  return { scene, story, order: words.join(', ') };
}

describe.each(Object.entries(HISTORIES))('the news of %s', (_, { acts, days, resets }) => {
  const orders = ordersOf(acts.map(({ tells }) => tells.length));

  it.each([1, 2] as const)(
    `ends as it is at Stripe in each of ${orders.length} orders, brought %i times`,
    async (times) => {
      store.clock.set(START);
      store.clock.set(START);
      const beginnings = await Promise.all(orders.map(begun));
      store.clock.advance(days * DAY * 1000);
      const left = orders.flatMap((order, index) => (beginnings[index] ? [{ order, begun: beginnings[index] }] : []));
      const all: Played[] = [];
      while (left.length > 0) {
        const some = left.splice(0, TOGETHER);
        all.push(...(await Promise.all(some.map((one) => played(acts, one.begun, one.order, times)))));
      }
      while (Object.values(await sweep(contextOf(store), NO_GRACE)).some((count) => count > 0));
      const books = await readBooks(store);
      const faults = all.flatMap(({ scene, story, order }) => {
        const mine = books.find(({ user }) => user._id.equals(story.userId));
        if (!mine) return ['nobody is stored'];
        const begins = mine.user.periodNumber - 1;
        const found = [...faultsOf(scene, story, mine), ...(resets.includes(begins) ? [] : [`${begins} resets`])];
        return found.map((fault) => `${fault}: ${order}`);
      });
      expect(faults).toEqual([]);
    },
  );
});
