import type { Actor } from '../domain/audit.ts';
import { ArtifexError } from '../domain/errors.ts';
import { recordAct } from '../repositories/audit.ts';
import { type EventNote, isKept, replayEvent } from '../repositories/inbox.ts';
import type { Context } from './context.ts';
import type { EventApplier } from './inbox.ts';

/**
 * Has an event applied again at once, whatever has become of it: also one that was applied before, since applying reads what is true now and
 * changes nothing where that is stored already. The audit trail has it before.
 *
 * @throws {ArtifexError} `not_found`
 */
export async function replayWebhook(
  ctx: Context,
  inbox: Pick<EventApplier, 'wake'>,
  id: string,
  actor: Actor,
): Promise<EventNote> {
  if (!(await isKept(ctx, id))) throw noSuchEvent();
  await recordAct(ctx, { action: 'webhook.replayed', actor, detail: { event: id } });
  const event = await replayEvent(ctx, id);
  // It has come to the end of its time meanwhile, or its user was erased.
  if (!event) throw noSuchEvent();
  inbox.wake();
  return event;
}

const noSuchEvent = () => new ArtifexError('not_found', 'There is no such event.');
