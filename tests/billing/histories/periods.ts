import { usersOf } from '@/models/collections.ts';
import type { TestStore } from '../../support/database.ts';
import { monthsOn } from '../../support/stripe/calendar.ts';
import type { Story } from './story.ts';

interface Seen {
  /** Seconds; the period that the account was last seen in. */
  start: number;
  number: number;
  /** Seconds: the starts and the ends of the periods that were seen at Stripe. */
  starts: Set<number>;
  ends: Set<number>;
}

/**
 * Watches that every period begins once: an account is reset only at the start of one that has begun at Stripe, or of a month by its own anchor or from
 * the end of what was paid for, and never at one that it has begun already.
 */
export class Periods {
  readonly #store: TestStore;
  readonly #stories: readonly Story[];
  readonly #seen = new Map<Story, Seen>();
  #lastLook: Promise<void> = Promise.resolve();

  constructor(store: TestStore, stories: readonly Story[]) {
    this.#store = store;
    this.#stories = stories;
    for (const story of stories) this.#seen.set(story, { start: 0, number: 1, starts: new Set(), ends: new Set() });
  }

  /** Remembers the periods that subscriptions at Stripe are in. */
  lookAtStripe(): void {
    for (const story of this.#stories) {
      const { starts, ends } = this.#of(story);
      for (const { items } of story.subscriptions())
        for (const { current_period_start, current_period_end } of items.data) {
          starts.add(current_period_start);
          ends.add(current_period_end);
        }
    }
  }

  /** Holds what accounts say now against what they said before, and against what was seen. To be done after every write to an account. */
  lookAtAccounts(): Promise<void> {
    // One after the other: an answer that overtakes an earlier one would look like a period that is begun backwards.
    this.#lastLook = this.#lastLook.then(() => this.#look());
    return this.#lastLook;
  }

  async #look(): Promise<void> {
    const accounts = await usersOf(this.#store)
      .find({}, { projection: { periodStart: 1, periodNumber: 1 } })
      .toArray();
    for (const story of this.#stories) {
      const account = accounts.find(({ _id }) => _id.equals(story.userId));
      if (account) this.#compare(story, account.periodStart.getTime() / 1000, account.periodNumber);
    }
  }

  #compare(story: Story, start: number, number: number): void {
    const seen = this.#of(story);
    const from = seen.start === 0 ? (story.signedUpAt?.getTime() ?? 0) / 1000 : seen.start;
    const resets = number - seen.number;
    if (resets === 0 && start === from) return;
    const begun = this.#beginnings(story, from, start);
    if (resets === 0) story.faults.push(`the period became another one without a reset, from ${at(start)}`);
    else if (!begun.has(start)) story.faults.push(`a period was begun at ${at(start)}, where none begins`);
    else if (begun.size < resets)
      story.faults.push(`${resets} resets from ${at(from)} to ${at(start)}, and ${begun.size} periods`);
    seen.start = start;
    seen.number = number;
  }

  /** Instants at which a period may have begun: later than `from`, up to `to`. */
  #beginnings(story: Story, from: number, to: number): Set<number> {
    const { starts, ends } = this.#of(story);
    const anchors = [(story.signedUpAt?.getTime() ?? 0) / 1000, ...ends];
    const months = anchors.flatMap((anchor) => monthsFrom(anchor, to));
    return new Set([...starts, ...months].filter((instant) => instant > from && instant <= to));
  }

  #of(story: Story): Seen {
    const seen = this.#seen.get(story);
    if (!seen) throw new Error('Periods are watched of those who are in the scene');
    return seen;
  }
}

function monthsFrom(anchor: number, to: number): number[] {
  const found: number[] = [];
  for (let months = 0; monthsOn(anchor, months) <= to; months += 1) found.push(monthsOn(anchor, months));
  return found;
}

const at = (seconds: number): string => new Date(seconds * 1000).toISOString();
