import { Types } from 'mongoose';
import type { Idempotency } from '../domain/idempotency.ts';
import type { ImageGeneration } from '../models/ImageGeneration.ts';
import type { UserReference } from '../models/statements/accounts.ts';
import {
  draftGeneration,
  type GenerationRequest,
  generationNotFound,
  getGeneration,
  recordGeneration,
} from '../repositories/generations.ts';
import { generationOf } from '../repositories/settlement.ts';
import { getUser } from '../repositories/users.ts';
import { type Charged, charge } from './charge.ts';
import type { Context } from './context.ts';

export interface Creation {
  /** As it is now, also for a repeat. */
  generation: ImageGeneration;
  repeated: boolean;
}

/**
 * Charges for a generation and records it. The charge carries the whole generation, so that from then on it exists: this call
 * records it in the next step, a repeat or the settlement does where this one dies.
 *
 * @throws what `charge` throws
 * @throws {mongoose.Error.ValidationError}
 * @throws {ArtifexError} `not_found` when a repeat asks for a generation that was deleted
 */
export async function createGeneration(
  ctx: Context,
  user: UserReference,
  request: GenerationRequest,
  idempotency?: Idempotency,
): Promise<Creation> {
  const draft = await draftGeneration(ctx, request);
  const posting = {
    id: new Types.ObjectId(),
    kind: 'charge',
    credits: draft.credits,
    generationId: draft._id,
    generation: draft,
  } as const;
  const charged = await charge(ctx, user, posting, idempotency);
  const generation = await recordPaid(ctx, user, charged);
  ctx.settler.notice(generation.userId);
  ctx.queue.notice(generation.userId);
  return { generation, repeated: charged.result !== 'posted' };
}

async function recordPaid(ctx: Context, user: UserReference, charged: Charged): Promise<ImageGeneration> {
  if (charged.result === 'known') {
    // The ledger does not know whether the account is still there; every other outcome has been read from the account.
    await getUser(ctx, user);
    return getPaid(ctx, charged.known.userId, charged.known.generationId);
  }
  const { account, entry } = charged;
  const paid = generationOf(account._id, entry);
  return paid ? recordGeneration(ctx, paid) : getPaid(ctx, account._id, entry.generationId);
}

function getPaid(ctx: Context, userId: Types.ObjectId, id: Types.ObjectId | undefined): Promise<ImageGeneration> {
  if (!id) throw generationNotFound();
  return getGeneration(ctx, userId, id);
}
