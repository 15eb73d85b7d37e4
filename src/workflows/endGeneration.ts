import type { Types } from 'mongoose';
import type { Actor } from '../domain/audit.ts';
import { isFinal } from '../domain/lifecycle.ts';
import type { ImageGeneration, OutputImage } from '../models/ImageGeneration.ts';
import { payObligation } from '../models/statements/obligations.ts';
import { cancelGeneration, deleteGeneration } from '../repositories/generations.ts';
import { completeGeneration, endStalledAttempts, failAttempt } from '../repositories/leases.ts';
import type { Context } from './context.ts';

/** Cancels a pending generation and gives its credits back. Throws as `cancelGeneration` of the repository does. */
export function cancel(ctx: Context, userId: Types.ObjectId, id: Types.ObjectId): Promise<ImageGeneration> {
  return thenPay(ctx, () => cancelGeneration(ctx, userId, id));
}

/** Deletes a generation; a pending one is cancelled and refunded. Throws as `deleteGeneration` of the repository does. */
export async function remove(ctx: Context, userId: Types.ObjectId, id: Types.ObjectId, actor: Actor): Promise<void> {
  await thenPay(ctx, () => deleteGeneration(ctx, userId, id, actor));
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
  ctx.announcer.notice(moved._id);
  if (isFinal(moved.status)) ctx.queue.notice(moved.userId);
  else if (moved.status === 'pending') ctx.queue.wake();
  await payWhatIsOwed(ctx, moved, before);
  return moved;
}

/** Pays what the generation owes. Throws as `payObligation` does. */
export async function payWhatIsOwed(ctx: Context, generation: ImageGeneration, readAt: Date): Promise<void> {
  if (await payObligation(ctx, generation, readAt)) ctx.settler.notice(generation.userId);
}

/** Ends the attempts that have lost their lease: @see endStalledAttempts. What they owe is paid by the sweep. */
export async function endStalled(ctx: Context): Promise<number> {
  const ended = await endStalledAttempts(ctx);
  if (ended === 0) return 0;
  ctx.queue.leasesLost(ended);
  ctx.queue.wake();
  return ended;
}
