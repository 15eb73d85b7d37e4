import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { billingAccountsOf, webhookEventsOf } from '@/models/collections.ts';
import { clearBooks } from '../support/books.ts';
import type { Command } from '../support/commandGate.ts';
import { quietUri, START, type TestStore, useDatabase } from '../support/database.ts';
import { FAULTS, type Fate, Interleaving } from '../support/interleave.ts';
import { type Fault, FAULTS as STRIPE_FAULTS } from '../support/stripe/faults.ts';
import type { Event } from '../support/stripe/shapes.ts';
import { faultsAtRest, tracesOf } from './histories/atRest.ts';
import { again, DEEDS, type Deed, delivery, isExpected, type Process } from './histories/deeds.ts';
import { DASHBOARD, HAPPENINGS, type Happening } from './histories/happenings.ts';
import { comeToRest, expectNothingNew, mayReset } from './histories/rest.ts';
import { Scene } from './histories/scene.ts';
import type { Story } from './histories/story.ts';

/** Histories in all, each of one person. A run plays {@link TOGETHER} at once, over one database, under one clock. */
const HISTORIES = Number(process.env['BILLING_RUNS'] ?? 5_000);
const TOGETHER = 20;
const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
/** Runs that go on side by side, each over a database of its own. One of them is encrypted, and takes a twentieth: it is slow. */
const encrypted = useDatabase();
const plain = Array.from({ length: 3 }, () => useDatabase(quietUri, false));

/** One step of a history, and how Stripe tells of it. */
const steps = fc.record({
  what: fc.nat(),
  /** Chooses the tier, the length of time, and how many do it at once. */
  pick: fc.nat({ max: 5 }),
  /** How many of the new events are brought now. What is not brought is lost, or late. */
  news: fc.nat({ max: 3 }),
  /** Which of all the events so far is brought, known ones too. */
  brings: fc.option(fc.nat(), { freq: 2 }),
});
type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never;

const choices = fc.record({
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

const manners = fc.record({
  /** Few steps meet what those before have begun, some do, or many. */
  haste: fc.constantFrom(60, 20, 6),
  /** Whether Stripe brings all that is new, while more happens. Then nothing comes later that would heal what a race has left. */
  isDiligent: fc.boolean(),
  /** Whether a process mostly runs on, while who was left stands still for long. */
  isPatient: fc.boolean(),
});

type Choice = typeof choices extends fc.Arbitrary<infer T> ? T : never;

const people = fc.array(
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
function drawn<Value>(values: fc.Arbitrary<Value>, seed: number): () => Value {
  const [stream] = fc.sample(fc.infiniteStream(values), { numRuns: 1, seed });
  return () => stream?.next().value;
}

const ALL = [...HAPPENINGS, ...DEEDS];

/** Something that is possible now, the more probable the more it weighs. */
function chosen<One extends Happening | Deed>(story: Story, among: readonly One[], what: number): One | undefined {
  const possible = among.filter((one) => one.isPossible(story));
  let left = what % possible.reduce((sum, { weight }) => sum + weight, 0);
  return possible.find(({ weight }) => {
    left -= weight;
    return left < 0;
  });
}

async function play(store: TestStore, seed: number): Promise<void> {
  await Promise.all([
    clearBooks(store),
    webhookEventsOf(store).deleteMany({}),
    billingAccountsOf(store).deleteMany({}),
  ]);
  store.clock.set(START);
  const [cast = []] = fc.sample(people, { numRuns: 1, seed });
  const [manner] = fc.sample(manners, { numRuns: 1, seed });
  const { haste = 1, isDiligent = false, isPatient = false } = manner ?? {};
  const [nextStep, nextChoice] = [drawn(steps, seed + 1), drawn(choices, seed + 2)];
  const scene = new Scene(
    store,
    cast.map(({ isCustomerOfOurs }) => isCustomerOfOurs),
  );
  const turns = scene.stories.flatMap((story, index) => Array<Story>(cast[index]?.steps ?? 0).fill(story));
  const interleaving = new Interleaving();
  const ends: Promise<PromiseSettledResult<unknown>>[] = [];

  const step = async () => {
    const next = nextStep();
    const [story] = turns.splice(next.what % turns.length, 1);
    if (!story) return;
    const told = isDiligent ? { ...next, news: Number.POSITIVE_INFINITY } : next;
    const processes = [...(await perform(scene, story, next)), ...brought(scene, story, told)];
    for (const { run, isWaitedFor } of processes) ends.push(interleaving.start(run, isWaitedFor ? again : undefined));
  };
  let goesOn = false;
  while (turns.length > 0) {
    await step();
    await interleaving.play(
      (waiting) => {
        const choice = nextChoice();
        goesOn = choice.goesOn % haste === 0;
        scene.fault = choice.fault;
        scene.pass(choice.seconds);
        return { ...choice, index: isPatient ? mostlyLast(choice, waiting) : choice.index };
      },
      async (command: Command) => {
        if (mayReset(command)) await scene.periods.lookAtAccounts();
        if (goesOn && turns.length > 0) await step();
      },
    );
  }
  if (isDiligent) await bringTheRest(scene, nextStep, nextChoice);
  for (const end of await Promise.all(ends)) if (end.status === 'rejected' && !isExpected(end.reason)) throw end.reason;
  await comeToRest(scene);
  expect(await faultsAtRest(scene)).toEqual([]);
  await expectNothingNew(scene, () => tracesOf(scene));
}

/** Whoever was at it goes on, but for one time in six. */
const mostlyLast = ({ index, goesOn }: Choice, waiting: number): number => (goesOn % 6 === 0 ? index : waiting - 1);

interface Started {
  run: Process;
  isWaitedFor: boolean;
}

/** Lets something happen, or begins what somebody does. */
async function perform(scene: Scene, story: Story, { what, pick }: Step): Promise<Started[]> {
  // Most sign up first; some are sold something before.
  if (!story.signedUpAt && (story.isCustomerOfOurs || what % 3 === 0)) {
    story.done.push('signs up');
    await story.signUp(scene.store);
    return [];
  }
  const one = chosen(story, ALL, what);
  if (!one) return [];
  if ('happen' in one) {
    happenTo(scene, story, one, pick);
    return [];
  }
  story.done.push(`${one.name} (${pick})`);
  return one.processes(scene, story, pick).map((run) => ({ run, isWaitedFor: one.isWaitedFor }));
}

function happenTo(scene: Scene, story: Story, happening: Happening | undefined, pick: number): void {
  if (!happening) return;
  story.done.push(`${happening.name} (${pick})`);
  happening.happen(scene, story, pick);
  scene.periods.lookAtStripe();
}

/** Deliveries of what is new, and of what has been told already. */
function brought(scene: Scene, story: Story, { news, brings }: Step): Started[] {
  const { events } = story;
  const fresh = events.slice(story.told);
  story.told = events.length;
  const known = brings === null ? [] : events.slice(brings % Math.max(1, events.length)).slice(0, 1);
  return [...fresh.slice(0, news), ...known].map((event) => ({ run: delivery(scene, event), isWaitedFor: false }));
}

/** How many people see their subscription change twice in the end. */
const LAST_CHANGES = 6;

/**
 * The end of a history whose news are all brought: subscriptions change while what is known of them is on its way, and then nothing comes any
 * more that would heal what a race has left. Nothing fails.
 */
async function bringTheRest(scene: Scene, nextStep: () => Step, nextChoice: () => Choice): Promise<void> {
  const interleaving = new Interleaving();
  const ends: Promise<PromiseSettledResult<unknown>>[] = [];
  const changing = scene.stories.filter((story) => story.live().length > 0).slice(0, LAST_CHANGES);
  const left = changing.flatMap((story) => [story, story]);
  const brought = new Set<Event>();
  const bring = () => {
    for (const event of scene.world.events.values()) {
      if (event.pending_webhooks === 0 || brought.has(event)) continue;
      brought.add(event);
      ends.push(interleaving.start(delivery(scene, event)));
    }
  };
  const change = () => {
    const [story] = left.splice(0, 1);
    const { what, pick } = nextStep();
    if (story) happenTo(scene, story, chosen(story, DASHBOARD, what), pick);
    bring();
  };
  scene.fault = null;
  for (bring(); ; change()) {
    await interleaving.play(
      (waiting) => ({ index: mostlyLast(nextChoice(), waiting), fate: 'lives' }),
      async (command) => {
        if (mayReset(command)) await scene.periods.lookAtAccounts();
        if (left.length > 0 && nextChoice().goesOn % 4 === 0) change();
      },
    );
    const isOver = [...scene.world.events.values()].every((one) => one.pending_webhooks === 0 || brought.has(one));
    if (left.length === 0 && isOver) break;
  }
  for (const end of await Promise.all(ends)) if (end.status === 'rejected') throw end.reason;
}

describe('what is stored, what is granted and what was paid for', () => {
  it(`are one at rest after any history (${HISTORIES} histories, FC_SEED=${SEED})`, async () => {
    const seeds = Array.from({ length: Math.ceil(HISTORIES / TOGETHER) }, (_, run) => SEED + 3 * run);
    const lanes = [
      { store: encrypted, todo: seeds.splice(0, Math.ceil(seeds.length / 20)) },
      ...plain.map((store) => ({ store, todo: seeds })),
    ];
    // Stripe's SDK takes the stack of every call.
    if (seeds.length > 1) Error.stackTraceLimit = 0;
    await Promise.all(
      lanes.map(async ({ store, todo }) => {
        for (let seed = todo.shift(); seed !== undefined; seed = todo.shift())
          await play(store, seed).catch((cause: unknown) => {
            seeds.length = 0;
            throw new Error(`FC_SEED=${seed} BILLING_RUNS=${TOGETHER} plays this again`, { cause });
          });
      }),
    );
  }, 1_800_000);
});
