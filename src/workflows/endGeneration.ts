import { Types } from 'mongoose';
import type { ImageGeneration, OutputImage } from '../models/ImageGeneration.ts';
import { postOnce } from '../models/statements/accounts.ts';
import type { Posting } from '../models/statements/posting.ts';
import { cancelGeneration, deleteGeneration } from '../repositories/generations.ts';
import { completeGeneration, failAttempt, findOwing } from '../repositories/queue.ts';
import type { Context } from './context.ts';

/** Cancels a pending generation and gives its credits back. Throws as `cancelGeneration` of the repository does. */
export function cancel(ctx: Context, userId: Types.ObjectId, id: Types.ObjectId): Promise<ImageGeneration> {
  return thenPay(ctx, () => cancelGeneration(ctx, userId, id));
}

/** Deletes a generation; a pending one is cancelled and refunded. Throws as `deleteGeneration` of the repository does. */
export async function remove(ctx: Context, userId: Types.ObjectId, id: Types.ObjectId): Promise<void> {
  await thenPay(ctx, () => deleteGeneration(ctx, userId, id));
}

/** Ends a generation with its pictures and counts them for its user. Throws as `completeGeneration` does. */
export function complete(
  ctx: Context,
  id: Types.ObjectId,
  token: string,
  result: { outputImages: OutputImage[]; processingTime?: number | undefined },
): Promise<ImageGeneration> {
  return thenPay(ctx, () => completeGeneration(ctx, id, token, result));
}

/** Ends an attempt; the last one, or one that no other could better, is refunded. Throws as `failAttempt` does. */
export function fail(
  ctx: Context,
  id: Types.ObjectId,
  token: string,
  failure: { errorMessage: string; retryable: boolean },
): Promise<ImageGeneration> {
  return thenPay(ctx, () => failAttempt(ctx, id, token, failure));
}

/** Moves a generation, and pays what the move has made it owe. */
async function thenPay(ctx: Context, move: () => Promise<ImageGeneration>): Promise<ImageGeneration> {
  const before = ctx.clock.now();
  const moved = await move();
  await payWhatIsOwed(ctx, moved, before);
  return moved;
}

/**
 * Posts the refund or the delivery that an ended generation owes to its user: once, however often and by however many it is
 * called. The obligation itself is cleared when the posting is settled.
 *
 * @param readAt an instant before the generation was read
 */
export async function payWhatIsOwed(ctx: Context, generation: ImageGeneration, readAt: Date): Promise<void> {
  const posting = postingOf(generation);
  if (!posting) return;
  const paid = async () => ((await findOwing(ctx, generation._id)) ? null : true);
  await postOnce(ctx, { _id: generation.userId }, posting, paid, readAt);
  ctx.settler.notice(generation.userId);
}

function postingOf({ _id: generationId, owes, charge, outputImages }: ImageGeneration): Posting | null {
  const id = new Types.ObjectId();
  if (owes === 'delivery') return { id, kind: 'delivery', credits: outputImages.length, generationId };
  if (owes !== 'refund' || !charge) return null;
  return { id, kind: 'refund', credits: charge.credits, period: charge.period, chargeId: charge.id, generationId };
}
