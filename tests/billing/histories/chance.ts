import fc from 'fast-check';
import { FAULTS, type Fate } from '../../support/interleave.ts';
import { type Fault, FAULTS as STRIPE_FAULTS } from '../../support/stripe/faults.ts';
import type { Deed } from './deeds.ts';
import type { Happening } from './happenings.ts';
import type { Story } from './story.ts';

/** How many histories are played at once, over one database and under one clock: they share what a history costs at rest. */
export const TOGETHER = 20;

/** One step of a history, and how Stripe tells of it. */
export const steps = fc.record({
  what: fc.nat(),
  /** Chooses the tier, the length of time, and how many do it at once. */
  pick: fc.nat({ max: 5 }),
  /** How many of the new events are brought now. What is not brought is lost, or late. */
  news: fc.nat({ max: 3 }),
  /** Which of all the events so far is brought, known ones too. */
  brings: fc.option(fc.nat(), { freq: 2 }),
});
export type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never;

export const choices = fc.record({
  index: fc.nat(),
  fate: fc.oneof(
    { weight: 25, arbitrary: fc.constant<Fate>('lives') },
    { weight: 1, arbitrary: fc.constantFrom<Fate>(...FAULTS) },
  ),
  /** What goes wrong where the command is a call to Stripe. */
  fault: fc.oneof(
    { weight: 25, arbitrary: fc.constant<Fault | null>(null) },
    { weight: 1, arbitrary: fc.constantFrom<Fault | null>(...STRIPE_FAULTS) },
  ),
  /** Divided by the haste of the run, without a remainder: the next step of a history happens now, whatever is under way. */
  goesOn: fc.nat(),
  /** Seconds that pass before the command: sometimes longer than a lease. */
  seconds: fc.oneof({ weight: 100, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(1, 90) }),
});

export const manners = fc.record({
  /** Few steps meet what those before have begun, some do, or many. */
  haste: fc.constantFrom(60, 20, 6),
  /** Whether Stripe brings all that is new, while more happens. Then nothing comes later that would heal what a race has left. */
  isDiligent: fc.boolean(),
  /** Whether a process mostly runs on, while who was left stands still for long. */
  isPatient: fc.boolean(),
});

export type Choice = typeof choices extends fc.Arbitrary<infer T> ? T : never;

export const people = fc.array(
  fc.record({
    /** Buys on Artifex's pages; else a person in the dashboard sells to them. */
    isCustomerOfOurs: fc.oneof(
      { weight: 3, arbitrary: fc.constant(true) },
      { weight: 1, arbitrary: fc.constant(false) },
    ),
    steps: fc.integer({ min: 3, max: 6 }),
  }),
  { minLength: TOGETHER, maxLength: TOGETHER },
);

/** The same for the same seed. */
export function drawn<Value>(values: fc.Arbitrary<Value>, seed: number): () => Value {
  const [stream] = fc.sample(fc.infiniteStream(values), { numRuns: 1, seed });
  return () => stream?.next().value;
}

/** Something that is possible now, the more probable the more it weighs. */
export function chosen<One extends Happening | Deed>(
  story: Story,
  among: readonly One[],
  what: number,
): One | undefined {
  const possible = among.filter((one) => one.isPossible(story));
  let left = what % possible.reduce((sum, { weight }) => sum + weight, 0);
  return possible.find(({ weight }) => {
    left -= weight;
    return left < 0;
  });
}

/** Whoever was at it goes on, but for one time in six. */
export const mostlyLast = ({ index, goesOn }: Choice, waiting: number): number =>
  goesOn % 6 === 0 ? index : waiting - 1;
