import { Types } from 'mongoose';
import type { Idempotency } from '../domain/idempotency.ts';
import { type Quota, quotaOf, quotaOfPeriod } from '../domain/quota.ts';
import type { UserReference } from '../models/statements/accounts.ts';
import { getUser } from '../repositories/users.ts';
import { charge, chargeAnew } from './charge.ts';
import type { Context } from './context.ts';

export interface Consumption {
  chargeId: Types.ObjectId;
  credits: number;
  /** As it is now, also for a repeat. */
  quota: Quota;
  repeated: boolean;
}

/**
 * Charges credits for something that is no generation of Artifex.
 *
 * @throws what {@link charge} throws
 */
export async function consumeQuota(
  ctx: Context,
  user: UserReference,
  { credits, reason }: { credits: number; reason?: string | undefined },
  idempotency?: Idempotency,
): Promise<Consumption> {
  const posting = {
    id: new Types.ObjectId(),
    kind: 'charge',
    credits,
    ...(reason !== undefined && { reason }),
  } as const;
  if (!idempotency) {
    const account = await chargeAnew(ctx, user, posting);
    ctx.settler.notice(account._id, { isWaitedFor: false });
    return { chargeId: posting.id, credits, quota: quotaOfPeriod(account), repeated: false };
  }
  const charged = await charge(ctx, user, posting, idempotency);
  if (charged.result === 'known') {
    const quota = quotaOf(await getUser(ctx, user), ctx.clock.now());
    return { chargeId: charged.known._id, credits: charged.known.credits, quota, repeated: true };
  }
  const { account, entry, result } = charged;
  ctx.settler.notice(account._id);
  return {
    chargeId: entry.id,
    credits: entry.credits,
    quota: quotaOf(account, ctx.clock.now()),
    repeated: result === 'repeated',
  };
}
