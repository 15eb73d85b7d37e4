import { Interleaving } from '../../support/interleave.ts';
import type { Event } from '../../support/stripe/shapes.ts';
import { type Choice, chosen, mostlyLast, type Step } from './chance.ts';
import { delivery } from './deeds.ts';
import { DASHBOARD, happenTo } from './happenings.ts';
import { mayReset } from './rest.ts';
import type { Scene } from './scene.ts';

/** How many people see their subscription change twice in the end. */
const LAST_CHANGES = 6;

/**
 * The end of a history whose news are all brought: subscriptions change while what is known of them is on its way, and then nothing comes any
 * more that would heal what a race has left. Nothing fails.
 */
export async function bringTheRest(scene: Scene, nextStep: () => Step, nextChoice: () => Choice): Promise<void> {
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
