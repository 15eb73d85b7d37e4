import type { Actor } from '../domain/audit.ts';
import { accountDeleted, type UserReference } from '../models/statements/accounts.ts';
import { deleteUser } from '../repositories/accounts.ts';
import type { Context } from './context.ts';

/**
 * Deletes an account at its owner's wish, by one write. What follows from it (its waiting generations are cancelled and refunded, the
 * audit trail is told) is done by the settlement behind the answer, or by the sweep where this process dies before.
 *
 * @throws {UserNotFoundError}
 * @throws {ArtifexError} `account_deleted` when it was deleted before
 */
export async function deleteAccount(ctx: Context, user: UserReference, actor: Actor): Promise<void> {
  const { result, account } = await deleteUser(ctx, user, actor);
  if (result === 'refused') throw accountDeleted();
  ctx.settler.notice(account._id);
}
