import { Types } from 'mongoose';
import { assertCredits } from '../domain/credits.ts';
import { InsufficientQuotaError } from '../domain/errors.ts';
import { quotaOf } from '../domain/quota.ts';
import { postOnce, type UserReference } from '../models/statements/accounts.ts';
import { tellIfReached } from '../models/statements/quotaAlerts.ts';
import { getGeneration } from '../repositories/generations.ts';
import { getUser } from '../repositories/users.ts';
import type { Consumption } from './consumeQuota.ts';
import type { Context } from './context.ts';

/**
 * Charges for a generation that was recorded without: once for ever, also when it was paid as it was recorded. From then on it
 * may be claimed, and its failure gives the credits back.
 *
 * @throws {InsufficientQuotaError}
 * @throws {ArtifexError} `not_found` without such a generation, `account_deleted`
 * @throws {UserNotFoundError}
 */
export async function chargeGeneration(
  ctx: Context,
  user: UserReference,
  { credits, generationId }: { credits: number; generationId: Types.ObjectId },
): Promise<Consumption> {
  assertCredits(credits);
  const account = await getUser(ctx, user);
  const posting = { id: new Types.ObjectId(), kind: 'charge', credits, generationId } as const;
  const paid = async () => (await getGeneration(ctx, account._id, generationId)).charge ?? null;
  const outcome = await postOnce(ctx, { _id: account._id }, posting, paid);
  if (outcome.result === 'refused') throw new InsufficientQuotaError(quotaOf(outcome.account, ctx.clock.now()));
  if (outcome.result === 'known') {
    const { id, credits: taken } = outcome.known;
    const quota = quotaOf(await getUser(ctx, user), ctx.clock.now());
    return { chargeId: id, credits: taken, quota, repeated: true };
  }
  if (outcome.result === 'posted') await tellIfReached(ctx, outcome.account);
  ctx.settler.notice(account._id);
  const { entry, result } = outcome;
  const quota = quotaOf(outcome.account, ctx.clock.now());
  return { chargeId: entry.id, credits: entry.credits, quota, repeated: result === 'repeated' };
}
