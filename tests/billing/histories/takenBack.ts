import { changeSubscription } from '@/billing/change.ts';
import { type Command, pastGates } from '../../support/commandGate.ts';
import { asProcess } from '../../support/interleave.ts';
import { chosen, type Step } from './chance.ts';
import { delivery, isExpected } from './deeds.ts';
import { asItWas, DASHBOARD, happenTo } from './happenings.ts';
import type { Scene } from './scene.ts';
import type { Story } from './story.ts';

/**
 * Something changes for as long as a process of Artifex's, which asks by itself, looks at Stripe. Whoever is told of it finds all as it is stored; then
 * that process writes what it has seen, and dies. No news comes any more.
 */
export async function takeBack(scene: Scene, story: Story, { what, pick }: Step): Promise<void> {
  const before = asItWas(story);
  happenTo(scene, story, chosen(story, DASHBOARD, what), pick);
  let hasWritten = false;
  const process = asProcess(
    async (command) => {
      if (hasWritten || !isWrite(command)) return 'lives';
      hasWritten = true;
      happenTo(scene, story, before, pick);
      await pastGates(() => bringAll(scene));
      return 'after';
    },
    () => changeSubscription(scene.billing, story.userId, {}),
  );
  await process.catch((error: unknown) => {
    if (!isExpected(error)) throw error;
  });
  await bringAll(scene);
}

const isWrite = ({ collection, name }: Command) => collection === 'subscriptions' && name === 'updateOne';

async function bringAll(scene: Scene): Promise<void> {
  for (const event of scene.world.events.values()) if (event.pending_webhooks > 0) await delivery(scene, event)();
}
