import type { Expression } from './expressions.ts';
import { leavesRoomFor } from './limits.ts';
import { type Comeback, type KeyGuard, type Posting, slotOf } from './posting.ts';
import { areNews } from './terms.ts';

/** Whether the account admits the posting: nothing has taken its place, no key was forgotten meanwhile, and the account allows it. */
export function admits(posting: Posting, guard: KeyGuard | undefined): Expression {
  return { $and: [slotIsFree(slotOf(posting)), ...keysAreKnown(guard), ...accountAllows(posting)] };
}

function slotIsFree(slot: string): Expression {
  return { $eq: [{ $type: `$openEntries.${slot}` }, 'missing'] };
}

function keysAreKnown(guard: KeyGuard | undefined): Expression[] {
  if (!guard) return [];
  return 'forgottenBefore' in guard
    ? [{ $lt: ['$forgottenThrough', guard.forgottenBefore] }]
    : [{ $eq: ['$forgottenThrough', guard.forgottenThrough] }];
}

/**
 * Only a charge can be refused for its credits, and a deleted user can only be given back what is owed. What is so already is
 * not done again.
 */
function accountAllows(posting: Posting): Expression[] {
  switch (posting.kind) {
    case 'charge':
      return [{ $eq: ['$isDeleted', false] }, leavesRoomFor(posting.credits)];
    case 'reset':
      return posting.ifPeriod === undefined ? [] : [{ $eq: ['$periodNumber', posting.ifPeriod] }];
    case 'terms':
      return [areNews(posting)];
    case 'deletion':
      return [{ $eq: ['$isDeleted', false] }, ...isNewIdentity(posting.identity)];
    case 'restoration':
      return [{ $eq: ['$isDeleted', true] }, ...mayComeBack(posting.comeback)];
    case 'erasure':
      return [{ $eq: ['$clerkUserId', { $literal: posting.clerkUserId }] }, { $eq: ['$isDeleted', true] }];
    default:
      return [];
  }
}

/** An erased account is nobody's, until somebody comes back to it. */
function mayComeBack(comeback: Comeback | undefined): Expression[] {
  const erasedAt = { $ifNull: ['$erasedAt', null] };
  if (!comeback) return [{ $eq: [erasedAt, null] }];
  const { asRead } = comeback;
  return [
    { $eq: [erasedAt, asRead.erasedAt] },
    { $eq: [{ $ifNull: ['$identityVersion', 0] }, asRead.identityVersion] },
  ];
}

function isNewIdentity(identity: { version: number } | undefined): Expression[] {
  return identity ? [{ $lt: [{ $ifNull: ['$identityVersion', 0] }, identity.version] }] : [];
}
