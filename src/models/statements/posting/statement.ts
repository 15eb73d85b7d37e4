import type { Types } from 'mongoose';
import { DEFAULT_PREFERENCES } from '../../preferences.ts';
import { admits } from './admission.ts';
import { appendEntry, openEntry } from './entries.ts';
import { type Changes, mergeIf } from './expressions.ts';
import { balance, LIMIT } from './limits.ts';
import { emptyPeriod, rolloverStatement } from './periods.ts';
import type { Comeback, KeyGuard, Posting } from './posting.ts';
import { beginPaidPeriod, followTerms } from './terms.ts';

/**
 * The one statement that moves an account: it begins a new period when the reset date has passed, then applies the posting if
 * the account admits it, and records it among the open entries. An update pipeline sees one document in one state, so no
 * interleaving of any number of processes can come between the check and the change
 * (https://www.mongodb.com/docs/manual/core/write-operations-atomicity/).
 *
 * A reset that comes when a period is due begins that period, and finds its own place taken: it is not applied twice.
 *
 * @param resetId id of the ledger entry, should a period begin
 */
export function postingStatement(posting: Posting, resetId: Types.ObjectId, now: Date, guard?: KeyGuard): Changes[] {
  const due: Posting & { kind: 'reset' } = posting.kind === 'reset' ? posting : { id: resetId, kind: 'reset' };
  return [
    ...rolloverStatement(due, now),
    mergeIf(admits(posting, guard), apply(posting, now)),
    ...beginPaidPeriod(posting, now),
  ];
}

function apply(posting: Posting, now: Date): Changes {
  const usage = '$monthlyUsage';
  const period = '$periodNumber';
  switch (posting.kind) {
    case 'charge': {
      const after = { $add: [usage, posting.credits] };
      // Without a generation there is no delivery to count, so the credits themselves are counted.
      const counted = posting.generationId ? 0 : posting.credits;
      return {
        monthlyUsage: after,
        totalImagesGenerated: { $add: ['$totalImagesGenerated', counted] },
        ...appendEntry(posting, now, { balance: balance(LIMIT, after), period }),
      };
    }
    case 'refund': {
      const after = { $subtract: [usage, { $cond: [{ $eq: [period, posting.period] }, posting.credits, 0] }] };
      return { monthlyUsage: after, ...appendEntry(posting, now, { balance: balance(LIMIT, after) }) };
    }
    case 'grant': {
      const limit = { $add: [LIMIT, posting.credits] };
      return {
        grantedCredits: { $add: ['$grantedCredits', posting.credits] },
        ...appendEntry(posting, now, { balance: balance(limit, usage), period }),
      };
    }
    case 'reset':
      return emptyPeriod(posting, now);
    case 'delivery':
      return {
        totalImagesGenerated: { $add: ['$totalImagesGenerated', posting.credits] },
        ...openEntry(posting, now, { balance: balance(LIMIT, usage), period }),
      };
    case 'terms':
      return followTerms(posting, now);
    case 'deletion':
      return {
        isDeleted: true,
        deletedAt: now,
        ...(posting.identity && { identityVersion: posting.identity.version }),
        ...openEntry(posting, now, { period }),
      };
    case 'restoration':
      return {
        isDeleted: false,
        deletedAt: null,
        ...(posting.comeback && cameBack(posting.comeback)),
        ...openEntry(posting, now, { period }),
      };
    case 'erasure':
      return {
        clerkUserId: posting.pseudonym,
        identityHashes: posting.identityHashes,
        erasedAt: now,
        email: '',
        name: '',
        preferences: { $literal: DEFAULT_PREFERENCES },
        ...openEntry(posting, now, { period }),
      };
  }
}

/** What comes from outside is literal. */
function cameBack({ clerkUserId, identityHashes, version, email, name }: Comeback): Changes {
  return {
    clerkUserId: { $literal: clerkUserId },
    identityHashes,
    erasedAt: null,
    identityVersion: version,
    email: { $literal: email },
    name: { $literal: name },
  };
}
