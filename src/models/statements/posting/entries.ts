import type { Changes } from './expressions.ts';
import { type Posting, slotOf } from './posting.ts';

/** An open entry that takes the next place in the ledger. */
export function appendEntry(posting: Posting, now: Date, computed: Changes): Changes {
  const sequence = { $add: ['$entrySequence', 1] };
  return { entrySequence: sequence, ...openEntry(posting, now, { sequence, ...computed }) };
}

/** An open entry, and what every change of an account writes besides. */
export function openEntry(posting: Posting, now: Date, computed: Changes): Changes {
  // What comes from outside is literal: a prompt that begins with a dollar sign is no expression.
  const entry = { $mergeObjects: [{ $literal: { ...storedFields(posting), at: now } }, computed] };
  return {
    openEntries: { $mergeObjects: ['$openEntries', { [slotOf(posting)]: entry }] },
    sweepAt: { $min: ['$sweepAt', now] },
    updatedAt: now,
  };
}

/** An entry keeps what is to be recorded elsewhere, and not what only this statement reads. */
function storedFields(posting: Posting): Pick<Posting, 'id' | 'kind'> {
  switch (posting.kind) {
    case 'reset': {
      const { ifPeriod: _, ...fields } = posting;
      return fields;
    }
    case 'deletion': {
      const { identity: _, ...fields } = posting;
      return fields;
    }
    case 'restoration': {
      const { comeback: _, ...fields } = posting;
      return fields;
    }
    case 'erasure': {
      const { clerkUserId: _, pseudonym: __, identityHashes: ___, ...fields } = posting;
      return fields;
    }
    case 'terms': {
      // The act is computed: terms that change no tier leave no line in the audit trail.
      const { tier: _, paidPeriod: __, version: ___, act: ____, ...fields } = posting;
      return fields;
    }
    default:
      return posting;
  }
}
