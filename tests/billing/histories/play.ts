import fc from 'fast-check';
import { expect } from 'vitest';
import { billingAccountsOf, webhookEventsOf } from '@/models/collections.ts';
import { clearBooks } from '../../support/books.ts';
import { START, type TestStore } from '../../support/database.ts';
import { Interleaving } from '../../support/interleave.ts';
import { faultsAtRest, tracesOf } from './atRest.ts';
import { choices, chosen, drawn, manners, mostlyLast, people, type Step, steps } from './chance.ts';
import { again, DEEDS, delivery, isExpected, type Process } from './deeds.ts';
import { HAPPENINGS, happenTo } from './happenings.ts';
import { bringTheRest } from './lastChanges.ts';
import { comeToRest, expectNothingNew, mayReset } from './rest.ts';
import { Scene } from './scene.ts';
import type { Story } from './story.ts';
import { takeBack } from './takenBack.ts';

/** How many people see something change that is taken back at once. */
const TAKEN_BACK = 4;

const ALL = [...HAPPENINGS, ...DEEDS];

/** Plays the histories of a few people at once, and holds what is stored at rest against Stripe. The same for the same seed. */
export async function play(store: TestStore, seed: number): Promise<void> {
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
      async (command) => {
        if (mayReset(command)) await scene.periods.lookAtAccounts();
        if (goesOn && turns.length > 0) await step();
      },
    );
  }
  if (isDiligent) {
    await bringTheRest(scene, nextStep, nextChoice);
    const seeing = scene.stories.filter((story) => story.live().length > 0).slice(0, TAKEN_BACK);
    for (const story of seeing) await takeBack(scene, story, nextStep());
  }
  for (const end of await Promise.all(ends)) if (end.status === 'rejected' && !isExpected(end.reason)) throw end.reason;
  await comeToRest(scene);
  expect(await faultsAtRest(scene)).toEqual([]);
  await expectNothingNew(scene, () => tracesOf(scene));
}

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

/** Deliveries of what is new, and of what has been told already. */
function brought(scene: Scene, story: Story, { news, brings }: Step): Started[] {
  const { events } = story;
  const fresh = events.slice(story.told);
  story.told = events.length;
  const known = brings === null ? [] : events.slice(brings % Math.max(1, events.length)).slice(0, 1);
  return [...fresh.slice(0, news), ...known].map((event) => ({ run: delivery(scene, event), isWaitedFor: false }));
}
